/**
 * Samples of many workloads and contenders. Within a case the contenders take turns (A, B, C, A, B, C), so that what
 * else happens on the machine falls on all of them.
 */
import type { Contender } from "../contender.ts"
import { foreignOf, loadContender } from "../contenders/registry.ts"
import type { ForeignContender } from "../foreign.ts"
import type { Named, Scale, Workload } from "../workload.ts"
import { callsRefusal } from "../workloads/calls.ts"
import { describeMachine } from "./machine.ts"
import { measure } from "./processes.ts"
import type { Figures, Mode, Omission, Parameters, Results, Sample } from "./results.ts"

export interface Asked {
  readonly workload: string
  readonly parameters: Parameters
  readonly contender: string
}

export interface Plan {
  readonly scale: Scale
  readonly workloads: ReadonlyArray<Workload>
  readonly contenders: ReadonlyArray<string>
  /** Of those that a workload has; all of them without it. */
  readonly mode?: Mode | undefined
  /** Whether a contender is to run a case; all of them without it. */
  readonly takes?: (asked: Asked) => boolean
  /** Samples of each case for each contender, or as few as the workload says; by scale without it. */
  readonly rounds?: number | undefined
  /** About how long the measured part of a sample takes; by scale without it. */
  readonly seconds?: number | undefined
  /** Samples at the same time: only where their figures do not matter. */
  readonly atOnce?: number
  /** Where the processes leave profiles of themselves; a program in another language leaves none. */
  readonly profileTo?: string | undefined
}

export interface Progress {
  readonly onSample: (sample: Sample, done: number, all: number) => void
  readonly onFailure: (failure: Omission, done: number, all: number) => void
  /** The results so far, after each case. */
  readonly onCase?: (results: Results) => void
}

const rounds: { readonly [K in Scale]: number } = { full: 5, quick: 3, smoke: 1 }
const seconds: { readonly [K in Scale]: number } = { full: 2, quick: 0.5, smoke: 0.05 }

/** Failures of one contender in one case after which it is not tried again there. */
const failuresAllowed = 2

/** A contender, be it one of ours to run or a program. */
export interface Runner extends Named {
  readonly about: string
  /** Why a workload is not for it, if so. */
  readonly refuses: (workload: Workload, mode: Mode) => string | undefined
  readonly sample: (
    workload: Workload,
    mode: Mode,
    parameters: Parameters,
    plan: { readonly scale: Scale; readonly seconds: number; readonly profileTo?: string | undefined }
  ) => Promise<Figures>
}

const runnerOf = (contender: Contender): Runner => ({
  name: contender.name,
  about: contender.about,
  carrier: contender.carrier,
  overQuic: contender.overQuic,
  refuses: (workload) => callsRefusal(contender, workload),
  sample: (workload, mode, parameters, { profileTo, scale, seconds }) => {
    const network = workload.network?.(parameters)
    const maxUdpPayload = parameters["maxUdpPayload"]
    const options = typeof maxUdpPayload === "number" ? { maxUdpPayload } : {}
    return measure(
      { contender: contender.name, workload: workload.name, mode, scale, seconds, parameters, options, profileTo },
      network === undefined ? undefined : { ...network, carrier: contender.carrier },
      workload.limit(scale, parameters)
    )
  }
})

const foreignRunnerOf = (foreign: ForeignContender): Runner => ({
  name: foreign.name,
  about: foreign.about,
  refuses: (workload, mode) =>
    foreign.runs(workload.name, mode) ? undefined : "its program does not have this workload",
  sample: (workload, mode, parameters, { seconds }) =>
    foreign.sample({ workload: workload.name, mode, parameters, seconds })
})

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Those that can run here; the others are left out with the reason. */
const open = async (names: ReadonlyArray<string>, omissions: Array<Omission>): Promise<ReadonlyArray<Runner>> => {
  const runners: Array<Runner> = []
  for (const name of names) {
    const foreign = foreignOf(name)
    if (foreign !== undefined) {
      const available = await foreign.available()
      if (available === true) runners.push(foreignRunnerOf(foreign))
      else omissions.push({ contender: name, reason: available })
    } else {
      const contender = await loadContender(name)
      if (contender.unavailable === undefined) runners.push(runnerOf(contender))
      else omissions.push({ contender: name, reason: contender.unavailable })
    }
  }
  return runners
}

export interface Turn {
  readonly workload: Workload
  readonly mode: Mode
  readonly parameters: Parameters
  readonly runner: Runner
}

/** What is to be done, case by case, each in the order in which it is done. */
export const casesOf = (
  plan: Plan,
  runners: ReadonlyArray<Runner>,
  omissions: Array<Omission>
): ReadonlyArray<Array<Turn>> => {
  const cases: Array<Array<Turn>> = []
  for (const workload of plan.workloads) {
    for (const mode of workload.modes) {
      if (plan.mode !== undefined && mode !== plan.mode) continue
      for (const parameters of workload.cases(plan.scale)) {
        const taking = runners.filter((runner) => {
          const asked = { workload: workload.name, parameters, contender: runner.name }
          if (plan.takes !== undefined && !plan.takes(asked)) return false
          const reason = workload.omit?.(runner, parameters, mode, plan.scale) ?? runner.refuses(workload, mode)
          if (reason !== undefined) {
            omissions.push({ workload: workload.name, contender: runner.name, mode, parameters, reason })
          }
          return reason === undefined
        })
        const most = workload.rounds?.(plan.scale, parameters) ?? Number.POSITIVE_INFINITY
        const times = Math.min(plan.rounds ?? rounds[plan.scale], most)
        const round = taking.map((runner) => ({ workload, mode, parameters, runner }))
        if (round.length > 0) cases.push(Array.from({ length: times }, () => round).flat())
      }
    }
  }
  return cases
}

export const run = async (plan: Plan, progress: Progress): Promise<Results> => {
  const began = Date.now()
  const omissions: Array<Omission> = []
  const failures: Array<Omission> = []
  const samples: Array<Sample> = []
  const runners = await open(plan.contenders, omissions)
  const cases = casesOf(plan, runners, omissions)
  const all = cases.reduce((sum, { length }) => sum + length, 0)
  const machine = describeMachine()
  let done = 0

  const results = (): Results => ({
    machine,
    date: new Date(began).toISOString(),
    scale: plan.scale,
    minutes: (Date.now() - began) / 60_000,
    contenders: runners.map(({ about, name }) => ({ name, about })),
    workloads: plan.workloads.map(({ about, figures, name }) => ({ name, about, figures })),
    samples,
    omissions,
    failures
  })

  const take = async ({ mode, parameters, runner, workload }: Turn, failed: Map<Runner, number>): Promise<void> => {
    done += 1
    if ((failed.get(runner) ?? 0) >= failuresAllowed) return
    const what = { workload: workload.name, contender: runner.name, mode, parameters }
    try {
      const figures = await runner.sample(workload, mode, parameters, {
        scale: plan.scale,
        profileTo: plan.profileTo,
        seconds: plan.seconds ?? seconds[plan.scale]
      })
      const sample = { ...what, figures }
      samples.push(sample)
      progress.onSample(sample, done, all)
    } catch (error) {
      failed.set(runner, (failed.get(runner) ?? 0) + 1)
      const failure = { ...what, reason: reasonOf(error) }
      failures.push(failure)
      progress.onFailure(failure, done, all)
    }
  }

  const atOnce = plan.atOnce ?? 1
  for (const turns of cases) {
    const failed = new Map<Runner, number>()
    for (let i = 0; i < turns.length; i += atOnce) {
      await Promise.all(turns.slice(i, i + atOnce).map((turn) => take(turn, failed)))
    }
    progress.onCase?.(results())
  }
  return results()
}
