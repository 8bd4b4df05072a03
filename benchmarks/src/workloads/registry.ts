import type { Workload } from "../workload.ts"
import { calls } from "./calls.ts"
import { cost } from "./cost.ts"
import { dials } from "./dials.ts"
import { fanIn } from "./fanIn.ts"
import { firstMessage } from "./firstMessage.ts"
import { idle } from "./idle.ts"
import { loaded } from "./loaded.ts"
import { lossy } from "./lossy.ts"
import { messages } from "./messages.ts"
import { requests } from "./requests.ts"
import { transfer } from "./transfer.ts"

/** In the order of the report. */
export const workloads: ReadonlyArray<Workload> = [
  ...messages,
  requests,
  ...calls,
  transfer,
  dials,
  firstMessage,
  fanIn,
  loaded,
  ...lossy,
  ...cost,
  idle
]

export const workloadOf = (name: string): Workload => {
  const workload = workloads.find((other) => other.name === name)
  if (workload === undefined) {
    throw new Error(`there is no workload "${name}"; there are ${workloads.map(({ name }) => name).join(", ")}`)
  }
  return workload
}
