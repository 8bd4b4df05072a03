/** All rules. */
import { admission } from "./admission.ts"
import { callbacks } from "./callbacks.ts"
import { closes } from "./closes.ts"
import { datagrams } from "./datagrams.ts"
import { dialling } from "./dialling.ts"
import { ends } from "./ends.ts"
import { flow } from "./flow.ts"
import { keys } from "./keys.ts"
import { priority } from "./priority.ts"
import { refusals } from "./refusals.ts"
import type { Group } from "./rule.ts"
import { streams } from "./streams.ts"

/** The groups of rules, in the order in which they run. */
export const groups: ReadonlyArray<Group> = [
  dialling,
  refusals,
  keys,
  admission,
  streams,
  flow,
  priority,
  ends,
  datagrams,
  closes,
  callbacks
]
