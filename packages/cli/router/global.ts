/** Around all files: what killed runs have left is removed before, and what this one may have left, after. */
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

const sweep = (own?: number) => Effect.runPromise(Effect.provide(Namespace.sweep(own), NodeServices.layer))

export const setup = async (project: TestProject) => {
  project.provide("run", process.pid)
  await sweep()
}

export const teardown = () => sweep(process.pid)
