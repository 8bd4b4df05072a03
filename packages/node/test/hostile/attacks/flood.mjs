/** What floods have in common: peers that are renewed, and streams that an honest binding keeps opening. */
import { paced, sleep } from "../kit/pace.mjs"
import { connect } from "../kit/peer.mjs"

/** Seconds after which a flood dials again: the node may have closed the connection, and a forger does not hear it. */
const renewal = 1

/**
 * Forges `rate` packets a second, all of one peer at a time. `payload` makes the frames of packet `i` of that peer;
 * `undefined` waits for the next peer.
 */
export const forge = async ({ hosts, node, seconds }, rate, payload) => {
  const facts = { packets: 0, connections: 0 }
  const end = performance.now() + seconds * 1_000
  while (performance.now() < end) {
    const peer = await connect(node, { host: hosts(0) }).catch(() => undefined)
    if (peer === undefined) await sleep(100)
    else {
      facts.connections += 1
      facts.packets += await paced(renewal, rate, (i) => {
        const frames = payload(i, peer)
        if (frames !== undefined) peer.send(frames)
      })
      peer.vanish()
      peer.port.close()
    }
  }
  return facts
}

const empty = new Uint8Array(0)
const scratch = new Uint8Array(65_536)

/**
 * Opens streams as fast as the node lets each of `count` honest peers, `batch` at a time; sends `bytes(i)` on each with
 * its end, and reads the answers. At last the peers vanish, or leave `politely`.
 */
export const openStreams = async (
  { hosts, node, seconds },
  { batch = 64, bytes, count = 4, isBidirectional, politely = false }
) => {
  const facts = { streams: 0, connections: 0 }
  const peers = []
  const dial = async (slot) => {
    const peer = await connect(node, { host: hosts(0), honest: true }).catch(() => undefined)
    if (peer === undefined) return
    facts.connections += 1
    peer.nextId = isBidirectional ? 0 : 2
    peer.work = () => {
      const { native } = peer
      if (native.isReadable()) {
        for (const id of native.readable()) {
          try {
            while (native.streamRecv(id, scratch) !== null);
          } catch {
            // The node has reset it.
          }
        }
      }
      const left = isBidirectional ? native.peerStreamsLeftBidi() : native.peerStreamsLeftUni()
      for (let i = 0; i < Math.min(left, batch); i++) {
        try {
          if (native.streamSend(peer.nextId, bytes(facts.streams), true) === null) break
        } catch {
          break
        }
        peer.nextId += 4
        facts.streams += 1
      }
    }
    peer.onHeard = peer.work
    peers[slot] = peer
  }
  await Promise.all(Array.from({ length: count }, (_, slot) => dial(slot)))
  await paced(seconds, 200, async (i) => {
    const peer = peers[i % count]
    if (peer === undefined || peer.native.isClosed()) {
      if (i % 50 < count) await dial(i % count)
    } else {
      peer.work()
      peer.flush()
    }
  })
  for (const peer of peers) {
    if (politely) peer?.leave()
    peer?.vanish()
  }
  return facts
}

/** Streams without bytes. */
export const nothing = () => empty
