/** Around all files: what earlier runs have left is removed, and what this one leaves will be. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import type { TestProject } from "vitest/node"
import * as Namespace from "./Namespace.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** The process whose end makes the namespaces of its tests leftovers. */
    readonly run: number
  }
}

export const setup = async (project: TestProject) => {
  project.provide("run", process.pid)
  await Effect.runPromise(Effect.provide(Namespace.sweep, NodeServices.layer))
  // Ctrl-C ends a run without a word to its tests, and so does whoever kills it.
  Namespace.startReaper(Namespace.prefixOf(process.pid)).unref()
}
