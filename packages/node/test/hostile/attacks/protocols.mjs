/** Streams of protocols: of names that nothing serves, that are not completed, that are reset at once, and that are not read. */
import * as frames from "../kit/frames.mjs"
import { paced, sleep } from "../kit/pace.mjs"
import { connect } from "../kit/peer.mjs"
import * as wire from "../kit/wire.mjs"
import { openStreams } from "./flood.mjs"

/** What a stream begins with that asks for a name of the program, and how much of it is half of the name. */
const opening = wire.openProtocol("echo")
const half = opening.length - 2

/** The direction of a stream that this side writes, as the binding counts them. */
const write = 1

/** Enough that the streams of one IP address would take every place of a protocol, were there no shares. */
const peers = 8

/** Streams that honest bindings open, as fast as the node lets them. `open` does what is done on each, `then` what follows a few milliseconds later. */
export const opened = async ({ hosts, node, seconds }, open, then) => {
  const facts = { streams: 0, connections: 0 }
  const slots = []
  await paced(seconds, 200, async (i) => {
    const slot = i % peers
    const peer = slots[slot]
    if (peer === undefined || peer.native.isClosed()) {
      if (i % 50 >= peers) return
      slots[slot] = await connect(node, { host: hosts(0), honest: true }).catch(() => undefined)
      if (slots[slot] === undefined) return
      slots[slot].nextId = slots[slot].openedFrom = 0
      facts.connections += 1
      return
    }
    for (; then !== undefined && peer.openedFrom < peer.nextId; peer.openedFrom += 4) {
      try {
        then(peer.native, peer.openedFrom)
      } catch {
        // The node has ended it.
      }
    }
    for (let left = Math.min(peer.native.peerStreamsLeftBidi(), 64); left > 0; left--) {
      try {
        open(peer.native, peer.nextId)
      } catch {
        break
      }
      peer.nextId += 4
      facts.streams += 1
    }
    peer.flush()
  })
  for (const peer of slots) peer?.vanish()
  return facts
}

/** As many streams as there is credit for, each with half of a name, or served and without an end. */
const unfinished = (context) =>
  opened(context, (native, id) => native.streamSend(id, id % 8 === 0 ? opening.subarray(0, half) : opening, false))

/**
 * Each stream is reset at once, with half of a name or served. A stream that is reset in the turn in which its bytes arrive has none for the
 * node, so most are reset a little later, when their handlers run.
 */
const resetAtOnce = (context) =>
  opened(
    context,
    (native, id) => {
      native.streamSend(id, id % 8 === 0 ? opening.subarray(0, half) : opening, false)
      if (id % 32 === 4) native.streamShutdown(id, write, 0)
    },
    (native, id) => {
      if (id % 32 !== 4) native.streamShutdown(id, write, 0)
    }
  )

/** The same in forged packets: the frame that opens, and the reset that follows it, in one packet. */
const forgedResets = async ({ hosts, node, seconds }) => {
  const facts = { streams: 0, connections: 0 }
  const end = performance.now() + seconds * 1_000
  while (performance.now() < end) {
    const peer = await connect(node, { host: hosts(0) }).catch(() => undefined)
    if (peer === undefined) {
      await sleep(100)
      continue
    }
    facts.connections += 1
    // The credit of a new connection.
    for (let i = 0; i < 1_000; i++) {
      const id = 4 * i
      peer.send(Buffer.concat([frames.stream(id, 0, opening), frames.resetStream(id, 0, opening.length)]))
      facts.streams += 1
      if (i % 20 === 0) await sleep(2)
    }
    peer.vanish()
    peer.port.close()
  }
  return facts
}

/** Asks for 16 MiB on each of 200 streams of a protocol, opens every window, and neither reads nor acknowledges. */
const unreadAnswers = async ({ hosts, node, seconds }) => {
  const peer = await connect(node, { host: hosts(0) })
  peer.send(frames.maxData(2 ** 40))
  const question = Buffer.concat([wire.openProtocol("download"), Buffer.from(`${16 << 20}`)])
  for (let i = 0; i < 200; i++) {
    const id = 4 * i
    peer.send(Buffer.concat([frames.stream(id, 0, question, true), frames.maxStreamData(id, 2 ** 40)]))
    if (i % 20 === 0) await sleep(2)
  }
  await paced(seconds, 20, () => peer.send(frames.ping))
  return { megabytesHeard: peer.bytesHeard / 2 ** 20 }
}

/** The same of an honest binding, which acknowledges, and reads nothing: the node writes until the windows are full. */
const unreadStreams = (context) => {
  const question = Buffer.concat([wire.openProtocol("download"), Buffer.from(`${16 << 20}`)])
  return opened(context, (native, id) => native.streamSend(id, question, true))
}

export const attacks = {
  "protocols that nothing serves": {
    run: (context) => openStreams(context, { isBidirectional: true, bytes: (i) => wire.openProtocol(`nobody's ${i}`) })
  },
  "protocols that are not completed": { run: unfinished },
  "protocols that are reset at once": { run: resetAtOnce },
  "protocols that are reset in the same packet": { run: forgedResets },
  "answers of protocols that are not acknowledged": { run: unreadAnswers },
  "answers of protocols that are not read": { run: unreadStreams }
}
