/** What is no attack: the load before each one, so that its node is warm, and the comparison of all. */
import { sleep } from "../kit/pace.mjs"
import * as wire from "../kit/wire.mjs"
import { openStreams } from "./flood.mjs"

/** Questions of four peers that then leave: code is compiled, and heaps have grown. */
const warmUp = (context) =>
  openStreams(context, { isBidirectional: true, bytes: (i) => wire.question(`${i}`), politely: true })

const nothing = async ({ seconds }) => {
  await sleep(seconds * 1_000)
  return {}
}

export const attacks = {
  "warm-up": { run: warmUp },
  nothing: { run: nothing }
}
