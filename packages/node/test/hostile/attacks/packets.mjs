/** Packets that are wrong as packets: repeated, damaged, with numbers left out. */
import { randomBytes } from "node:crypto"
import * as frames from "../kit/frames.mjs"
import { paced, sleep } from "../kit/pace.mjs"
import { connect, room } from "../kit/peer.mjs"
import { forge } from "./flood.mjs"

const rate = 20_000

/** Sends datagrams of a connected peer as they are. */
const raw = (speed, datagram) => async (context) => {
  const peer = await connect(context.node, { host: context.hosts(0) })
  const made = datagram(peer)
  const packets = await paced(context.seconds, speed, () => peer.port.send(made(), peer.node))
  return { packets }
}

const duplicates = raw(rate, (peer) => {
  const packet = peer.seal(frames.fill(room, () => frames.ping))
  return () => packet
})

const damaged = raw(rate, (peer) => {
  const packet = Buffer.concat([Buffer.of(0x43), peer.dcid, randomBytes(1_200)])
  return () => {
    packet[40 + Math.floor(Math.random() * 1_000)] ^= 1
    return packet
  }
})

/** As many Handshake packets as fit a datagram. Their keys are gone. */
const coalesced = raw(5_000, (peer) => {
  const head = [0xe0, 0, 0, 0, 1, peer.dcid.length, ...peer.dcid, 0, 20]
  return () => frames.fill(1_350, () => Buffer.concat([Buffer.from(head), Buffer.alloc(20)]))
})

/** A connection that the node closes, because of a forbidden frame, and that goes on sending. */
const closed = async ({ hosts, node, seconds }) => {
  const peer = await connect(node, { host: hosts(0) })
  // HANDSHAKE_DONE is the server's (RFC 9000, section 19.20).
  peer.send(Buffer.of(0x1e))
  await sleep(50)
  const before = peer.bytesHeard
  let sent = 0
  const packets = await paced(seconds, 10_000, () => {
    const packet = peer.seal(frames.ping)
    sent += packet.length
    peer.port.send(packet, node)
  })
  return { packets, "bytes heard for each byte sent": (peer.bytesHeard - before) / sent }
}

export const attacks = {
  "one packet, again and again": { run: duplicates },
  "packets that fail authentication": { run: damaged },
  "datagrams of 28 stale packets": { run: coalesced },
  "packet numbers with holes": {
    run: (context) =>
      forge(context, rate, (_, peer) => {
        peer.number += 1
        return frames.ping
      })
  },
  "packets for a closed connection": { run: closed, bounds: { "bytes heard for each byte sent": 3 } }
}
