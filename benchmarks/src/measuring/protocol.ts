/** What the parent and the processes that it measures say to each other. */
import { join } from "node:path"
import type { Counts, Options } from "../contender.ts"
import type { Resources, Scale } from "../workload.ts"
import type { Figures, Mode, Parameters } from "./results.ts"

export interface Task {
  readonly role: "both" | "listener" | "dialler"
  readonly contender: string
  readonly workload: string
  readonly mode: Mode
  readonly scale: Scale
  readonly seconds: number
  readonly parameters: Parameters
  readonly options: Options
  /** The folder where the process leaves a profile of itself, from when it can be dialled or is told to dial. */
  readonly profileTo?: string | undefined
}

/** Where a process leaves its profile. */
export const profileOf = (folder: string, { contender, mode, parameters, role, workload }: ProfiledEnd): string => {
  const parts = [workload, ...Object.entries(parameters).flat(), mode, contender, role]
  return join(folder, `${parts.join("-")}.cpuprofile`)
}

type ProfiledEnd = Pick<Task, "contender" | "mode" | "parameters" | "role" | "workload">

/** The processes of a sample. */
export const rolesOf = (mode: Mode): ReadonlyArray<Task["role"]> =>
  mode === "one" ? ["both"] : ["dialler", "listener"]

/** About the listener's side. */
export type Question = { readonly about: "counts" } | { readonly about: "resources"; readonly collect: boolean }

export type Answer = Counts | Resources

export type FromChild =
  | { readonly kind: "listening"; readonly address: string }
  | { readonly kind: "ready" }
  | { readonly kind: "question"; readonly question: Question }
  | { readonly kind: "answer"; readonly answer: Answer }
  | { readonly kind: "figures"; readonly figures: Figures }
  | { readonly kind: "failed"; readonly reason: string }

export type FromParent =
  | { readonly kind: "dial"; readonly address: string }
  | { readonly kind: "question"; readonly question: Question }
  | { readonly kind: "answer"; readonly answer: Answer }
