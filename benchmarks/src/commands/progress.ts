import type { Omission, Parameters, Sample } from "../measuring/results.ts"
import type { Progress } from "../measuring/run.ts"
import { workloadOf } from "../workloads/registry.ts"

export const caseText = (parameters: Parameters | undefined): string =>
  Object.entries(parameters ?? {})
    .map(([name, value]) => `${name} ${value}`)
    .join(", ")

const whatOf = ({ contender, mode, parameters, workload }: Omission | Sample): string =>
  `${workload} (${caseText(parameters)}) ${mode === "one" ? "in one process" : "in two"}: ${contender}`

const short = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3))

/** A line for each sample, on stderr. */
export const printProgress: Progress = {
  onSample: (sample, done, all) => {
    const [main = ""] = Object.keys(workloadOf(sample.workload).figures)
    console.error(`${done}/${all} ${whatOf(sample)} ${main} ${short(sample.figures[main] ?? Number.NaN)}`)
  },
  onFailure: (failure, done, all) => console.error(`${done}/${all} ${whatOf(failure)} FAILED: ${failure.reason}`)
}
