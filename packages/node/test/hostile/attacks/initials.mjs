/** Packets of peers that have no connection yet. */
import { randomBytes } from "node:crypto"
import * as frames from "../kit/frames.mjs"
import * as keys from "../kit/keys.mjs"
import { paced } from "../kit/pace.mjs"
import { dial } from "../kit/peer.mjs"
import * as ports from "../kit/port.mjs"
import { Sealer } from "../kit/seal.mjs"

const open = (context, count) => Promise.all(Array.from({ length: count }, (_, i) => ports.open(context.hosts(i))))

/** Sends datagrams from `hosts` addresses in turn. */
const flood = (hosts, rate, datagram) => async (context) => {
  const from = await open(context, hosts)
  const packets = await paced(context.seconds, rate, (i) => from[i % hosts].send(datagram(i), context.node))
  return { packets, "bytes heard": from.reduce((sum, { heard }) => sum + heard.bytes, 0) }
}

const filler = randomBytes(1_200)

/** A long header, and then what nobody can decrypt. */
const longPacket = (version) => {
  const packet = Buffer.from(filler)
  packet[0] = 0xc3
  packet.writeUInt32BE(version, 1)
  packet[5] = 20
  randomBytes(20).copy(packet, 6)
  packet[26] = 20
  packet[47] = 0
  packet.writeUInt16BE(0x4000 | (1_200 - 50), 48)
  return packet
}

/** First flights of handshakes that never go on. */
const halfOpen = async (context) => {
  const hosts = await open(context, 32)
  const dials = await paced(context.seconds, 1_000, async (i) => {
    const peer = await dial(context.node, { port: hosts[i % hosts.length], keyLog: false })
    peer.vanish()
  })
  return { dials }
}

/** Handshakes whose ClientHello comes in fragments of a byte, with holes, in packets that decrypt. */
const fragmentedHello = async (context) => {
  const from = await open(context, 16)
  const clients = Array.from({ length: 60 }, (_, i) => {
    const dcid = randomBytes(20)
    return {
      dcid,
      scid: randomBytes(20),
      port: from[i % 16],
      sealer: new Sealer(keys.ofInitial(dcid)),
      number: 0,
      next: 0
    }
  })
  const packets = await paced(context.seconds, 6_000, (i) => {
    const client = clients[i % clients.length]
    const { next, payload } = frames.cryptoFragments(1_100, client.next, (index) => 1 + 2 * index)
    client.next = next
    const { dcid, port, scid, sealer } = client
    port.send(sealer.initial({ dcid, scid, number: client.number++, frames: payload }), context.node)
  })
  return { packets }
}

export const attacks = {
  "Initial packets that cannot be decrypted": { run: flood(1, 8_000, () => longPacket(1)) },
  "handshakes that do not go on": { run: halfOpen },
  "handshakes in fragments": { run: fragmentedHello },
  "unknown versions": { run: flood(16, 15_000, () => longPacket(0x1a2a3a4a)) }
}
