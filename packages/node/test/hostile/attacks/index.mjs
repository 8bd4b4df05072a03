/** All attacks by name. `run` resolves to facts about what was done; `bounds` are the most that some of them may be. */
import { attacks as connections } from "./connections.mjs"
import { attacks as control } from "./control.mjs"
import { attacks as datagrams } from "./datagrams.mjs"
import { attacks as fragments } from "./fragments.mjs"
import { attacks as frames } from "./frames.mjs"
import { attacks as initials } from "./initials.mjs"
import { attacks as memory } from "./memory.mjs"
import { attacks as packets } from "./packets.mjs"
import { attacks as protocols } from "./protocols.mjs"
import { attacks as questions } from "./questions.mjs"
import { attacks as spoofing } from "./spoofing.mjs"

export const attacks = {
  ...control,
  ...fragments,
  ...memory,
  ...initials,
  ...connections,
  ...questions,
  ...protocols,
  ...frames,
  ...packets,
  ...datagrams,
  ...spoofing
}
