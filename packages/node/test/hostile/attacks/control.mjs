/** What is no attack: the load before each one, so that its node is warm, and the comparison of all. */
import * as frames from "../kit/frames.mjs"
import { paced, sleep } from "../kit/pace.mjs"
import { connect } from "../kit/peer.mjs"
import * as wire from "../kit/wire.mjs"
import { openStreams } from "./flood.mjs"

/** A few hundred questions of a peer that then leaves: code is compiled, and heaps have grown. */
const warmUp = (context) =>
  openStreams(context, {
    batch: 1,
    bytes: (i) => wire.question(`${i}`),
    count: 1,
    isBidirectional: true,
    politely: true
  })

const nothing = async ({ seconds }) => {
  await sleep(seconds * 1_000)
  return {}
}

/**
 * Messages in forged packets: the node takes them for an honest peer's. Without that, no other attack would show
 * anything.
 */
const forgery = async ({ hosts, node, seconds }) => {
  const peer = await connect(node, { host: hosts(0) })
  const payload = wire.message(Buffer.from("i am forger"))
  return { messages: await paced(seconds, 20, (i) => peer.send(frames.stream(2 + 4 * i, 0, payload, true))) }
}

export const attacks = {
  "warm-up": { run: warmUp },
  nothing: { run: nothing },
  "forged messages": { run: forgery }
}
