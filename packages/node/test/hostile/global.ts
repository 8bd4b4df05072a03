/** Around all files: how long an attack goes on, whether to wait longer than needed, and where the results are written. `scripts/test-hostile.mjs` sets both. */
import type { TestProject } from "vitest/node"

export const setup = (project: TestProject) => {
  project.provide("hostile", {
    // @effect-diagnostics-next-line processEnv:off -- vitest sets up before any Effect runs
    seconds: Number(process.env["QP2P_HOSTILE_SECONDS"] ?? 4),
    // @effect-diagnostics-next-line processEnv:off -- vitest sets up before any Effect runs
    isShort: process.env["QP2P_HOSTILE_SHORT"] !== undefined,
    // @effect-diagnostics-next-line processEnv:off -- vitest sets up before any Effect runs
    report: process.env["QP2P_HOSTILE_REPORT"] ?? "/dev/null"
  })
}
