/** Bytes that never become a stream: fragments of a byte with holes between them, which quiche keeps. */
import * as frames from "../kit/frames.mjs"
import { sleep } from "../kit/pace.mjs"
import { connect, room } from "../kit/peer.mjs"
import * as wire from "../kit/wire.mjs"

/** Every second offset of a stream's first window, stream after stream. */
const perStream = 32_000
const place = (index) => [2 + 4 * Math.floor(index / perStream), 1 + 2 * (index % perStream)]

const ofStreams = (first) => frames.streamFragments(room, first, place)
const ofCrypto = (first) => frames.cryptoFragments(room, first, (index) => 1 + 2 * index)

/** Bytes that one connection sends: below what the driver of qp2p 0.1 allowed. */
const quota = 31 << 20

/** Packets between two pauses, so that the node's socket does not overflow. */
const burst = 40

/** Each of `count` peers sends its quota of fragments, and then asks nothing more. */
const fragmented = async ({ hosts, node, seconds }, count, fragments, between) => {
  const facts = { fragments: 0, megabytes: 0 }
  const end = performance.now() + seconds * 4_000
  const peers = await Promise.all(Array.from({ length: count }, () => connect(node, { host: hosts(0) })))
  const next = peers.map(() => 0)
  let bytes = 0
  for (let turn = 0; bytes < count * quota && performance.now() < end; turn++) {
    const who = turn % count
    const { next: after, payload } = fragments(next[who])
    next[who] = after
    bytes += payload.length
    peers[who].send(payload)
    between?.(peers[who], turn)
    if (turn % burst === 0) await sleep(2)
  }
  facts.fragments = next.reduce((sum, each) => sum + each, 0)
  facts.megabytes = bytes / 2 ** 20
  await sleep(500)
  return facts
}

/** The stream of the user data, which no fragments are on. */
const dataStream = 3_002

/** A message that the application reads earns its sender an allowance for other bytes; so does each acknowledgement. */
const userData = (peer) => {
  peer.offset ??= 0
  for (let i = 0; i < 2; i++) {
    const message = wire.message(Buffer.alloc(1_200))
    peer.send(frames.stream(dataStream, peer.offset, message))
    peer.offset += message.length
  }
}

export const attacks = {
  "stream fragments": { run: (context) => fragmented(context, 1, ofStreams) },
  "stream fragments, six peers": { run: (context) => fragmented(context, 6, ofStreams) },
  "CRYPTO fragments": { run: (context) => fragmented(context, 1, ofCrypto) },
  "fragments with user data": { run: (context) => fragmented(context, 2, ofStreams, userData) }
}
