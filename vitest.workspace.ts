import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

// Vitest 5 prints failures with `Map.groupBy`, which Node 20 does not have: without this, a failed test there shows that
// instead of its reason.
const maps: { groupBy?: (items: Iterable<unknown>, keyOf: (item: unknown, index: number) => unknown) => unknown } = Map
maps.groupBy ??= (items, keyOf) => {
  const groups = new Map<unknown, Array<unknown>>()
  let index = 0
  for (const item of items) {
    const key = keyOf(item, index++)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}

/** Tests import the packages' sources, not their builds: a failing line is the line in the editor. */
const conditions = ["@qp2p/source"]

/**
 * With `QP2P_QUICK=1`, for a look at another version of Node: without the tests that carry "[slow]" in their name, and
 * without those of bad networks and floods, which try the QUIC driver and not the platform.
 */
const quick = process.env["QP2P_QUICK"] === "1"

const failOnIdleTurns = new URL("scripts/fail-on-idle-turns.mjs", import.meta.url)

/** What a project needs for that, in its own processes and in the programs that its tests start. */
export const failingOnIdleTurns = {
  setupFiles: [fileURLToPath(failOnIdleTurns)],
  env: { NODE_OPTIONS: `--import=${failOnIdleTurns.href}` }
}

const project = (name: string, root: string) => ({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    name,
    root,
    include: ["test/**/*.test.ts"],
    ...failingOnIdleTurns,
    exclude: quick ? ["test/**/*.{loss,flood}.test.ts"] : [],
    testTimeout: 30_000,
    // Tests that are declared to be concurrent wait for timeouts and retransmissions.
    maxConcurrency: 10
  }
})

export default defineConfig({
  test: {
    // Most of the time tests wait for packets, and those that cannot share a machine are not worth much.
    maxWorkers: Math.max(3, availableParallelism()),
    projects: [
      project("core", "packages/core"),
      project("node", "packages/node"),
      project("upnp", "packages/upnp"),
      project("testkit", "packages/testkit"),
      project("cli", "packages/cli"),
      project("docs", "packages/docs"),
      project("examples", "examples/gossip")
    ],
    ...(quick ? { testNamePattern: /^(?!.*\[slow\])/u } : {}),
    // For `npm run coverage`, which runs one project: paths are relative to its folder, but that of the report.
    coverage: {
      provider: "v8",
      include: ["src/**"],
      reportsDirectory: "coverage",
      reportOnFailure: true,
      // Modules of types alone have no lines.
      reporter: [["text", { skipEmpty: true, maxCols: 120 }], "text-summary", "html"]
    },
    // An unhandled rejection or an uncaught exception fails the run, even when every test passed.
    dangerouslyIgnoreUnhandledErrors: false
  }
})
