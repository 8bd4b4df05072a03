import { parseArgs } from "node:util"
import { names } from "../contenders/registry.ts"
import type { Asked, Plan } from "../measuring/run.ts"
import { isForTargets } from "../report/targets.ts"
import type { Workload } from "../workload.ts"
import { workloads } from "../workloads/registry.ts"

const options = {
  quick: { type: "boolean" },
  workload: { type: "string" },
  contenders: { type: "string" },
  mode: { type: "string" },
  with: { type: "string" },
  targets: { type: "boolean" },
  rounds: { type: "string" },
  seconds: { type: "string" },
  out: { type: "string" },
  help: { type: "boolean" }
} as const

const help = `
  --quick                  fewer cases, and shorter ones
  --workload a,b           only these; a name may end with * ("messages-*")
  --contenders a,b         only these, in this order
  --mode one|two           both ends in one process, or each in its own
  --with inFlight=32,...   only cases with these parameters
  --targets                only what the table of targets is made of
  --rounds 5               samples of each case for each contender
  --seconds 2              about how long the measured part of a sample takes
  --out DIRECTORY          where a report goes

contenders: ${names.join(", ")}
workloads: ${workloads.map(({ name }) => name).join(", ")}
`

export interface Arguments extends Omit<Plan, "atOnce"> {
  readonly out: string | undefined
}

const listOf = (text: string | undefined): ReadonlyArray<string> | undefined =>
  text?.split(",").filter((part) => part !== "")

const chosen = (patterns: ReadonlyArray<string> | undefined): ReadonlyArray<Workload> =>
  (patterns ?? ["*"]).flatMap((pattern) => {
    const fits = pattern.endsWith("*")
      ? workloads.filter(({ name }) => name.startsWith(pattern.slice(0, -1)))
      : workloads.filter(({ name }) => name === pattern)
    if (fits.length === 0) throw new Error(`there is no workload "${pattern}"`)
    return fits
  })

const known = (wanted: ReadonlyArray<string> | undefined): ReadonlyArray<string> => {
  const unknown = wanted?.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new Error(`there is no contender "${unknown}"`)
  return wanted ?? names
}

const takesOf = (text: string | undefined, targets: boolean): ((asked: Asked) => boolean) => {
  const wanted = (listOf(text) ?? []).map((part) => part.split("="))
  return (asked) =>
    wanted.every(([name = "", value]) => String(asked.parameters[name]) === value) && (!targets || isForTargets(asked))
}

const positive = (name: string, text: string | undefined): number | undefined => {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!(value > 0)) throw new Error(`--${name} must be a number above 0`)
  return value
}

const modeOf = (text: string | undefined) => {
  if (text === undefined || text === "one" || text === "two") return text
  throw new Error("--mode must be one or two")
}

/** What the command line asks for; ends the process with an explanation when it cannot be understood, or asks for one. */
export const readArguments = (usual: { readonly contenders?: string } = {}): Arguments => {
  try {
    const { values } = parseArgs({ options })
    if (values.help === true) {
      console.log(help)
      process.exit(0)
    }
    return {
      scale: values.quick === true ? "quick" : "full",
      workloads: chosen(listOf(values.workload)),
      contenders: known(listOf(values.contenders ?? usual.contenders)),
      mode: modeOf(values.mode),
      takes: takesOf(values.with, values.targets === true),
      rounds: positive("rounds", values.rounds),
      seconds: positive("seconds", values.seconds),
      out: values.out
    }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${help}`)
    process.exit(2)
  }
}
