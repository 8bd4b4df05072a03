/** A contender that is a program in another language: it runs whole samples by itself, and only the figures come back. */
import type { Figures, Mode, Parameters } from "./measuring/results.ts"

export interface ForeignContender {
  readonly name: string
  /** Name and version of what it is, how a message is confirmed. */
  readonly about: string
  /** True, or why it cannot run on this machine. */
  readonly available: () => Promise<true | string>
  /** Whether it can run this workload. */
  readonly runs: (workload: string, mode: Mode) => boolean
  /**
   * One sample: fresh processes, a warm-up, then a run of about `seconds`. The names of the figures are those that the
   * workload of that name gives for other contenders.
   */
  readonly sample: (sample: {
    readonly workload: string
    readonly mode: Mode
    readonly parameters: Parameters
    readonly seconds: number
  }) => Promise<Figures>
}
