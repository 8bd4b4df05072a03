/** Around all files: how long an attack goes on, and where its result is written. `scripts/test-hostile.mjs` sets both. */
import type { TestProject } from "vitest/node"

export const setup = (project: TestProject) => {
  project.provide("hostile", {
    // @effect-diagnostics-next-line processEnv:off
    seconds: Number(process.env["QP2P_HOSTILE_SECONDS"] ?? 4),
    // @effect-diagnostics-next-line processEnv:off
    report: process.env["QP2P_HOSTILE_REPORT"] ?? "/dev/null"
  })
}
