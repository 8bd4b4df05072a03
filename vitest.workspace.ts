import { readdirSync, readFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
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
 * `QP2P_QUICK` is for a look at another version of Node, after a full run on one of them:
 *
 * - `1` leaves out what tries logic and not the platform, for long: tests with "[slow]" in their name, files named
 *   `*.loss.test.ts` and `*.flood.test.ts`, and files with the tag `slow`.
 * - `platform` runs only files with the tag `platform`: real sockets, processes, threads, files and the native binding are their
 *   point. Of these it leaves out the same tests.
 *
 * A file has a tag by a comment, `// @module-tag slow`. Without the variable every test runs.
 */
const quick = process.env["QP2P_QUICK"] ?? ""
if (!["", "0", "1", "platform"].includes(quick)) throw new Error(`QP2P_QUICK is 1 or platform, not ${quick}`)
const isQuick = quick === "1" || quick === "platform"

/** Vitest knows them, too: `--tags-filter` takes the same names. */
const tags = [
  { name: "slow", description: "tries logic and takes long: only in the full run" },
  { name: "platform", description: "runs on each version of Node" }
]

const testFiles = "test/**/*.test.ts"

/** The test files of a project that have a tag, by what they say: one that is left out is not even loaded. */
const tagged = (root: string, tag: string): Array<string> => {
  const folder = fileURLToPath(new URL(`${root}/`, import.meta.url))
  return readdirSync(join(folder, "test"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => `test/${file.replaceAll("\\", "/")}`)
    .filter((file) =>
      new RegExp(`(?://|\\*)\\s*@module-tag\\s+${tag}\\b`, "u").test(readFileSync(join(folder, file), "utf8"))
    )
}

const failOnIdleTurns = new URL("scripts/fail-on-idle-turns.mjs", import.meta.url)

/**
 * Node 20 prints that Ed25519 of WebCrypto is experimental (`packages/node/docs/platforms.md`). Tests of programs look at all that
 * these print.
 */
const withoutWarning = process.versions.node.startsWith("20.") ? " --disable-warning=ExperimentalWarning" : ""

/** What a project needs for that, in its own processes and in the programs that its tests start. */
export const failingOnIdleTurns = {
  setupFiles: [fileURLToPath(failOnIdleTurns)],
  env: { NODE_OPTIONS: `--import=${failOnIdleTurns.href}${withoutWarning}` }
}

const project = (name: string, root: string) => ({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    name,
    root,
    include: quick === "platform" ? tagged(root, "platform") : [testFiles],
    // Attacks have a command of their own: `vitest.hostile.ts`.
    exclude: ["test/hostile/**", ...(isQuick ? ["test/**/*.{loss,flood}.test.ts", ...tagged(root, "slow")] : [])],
    ...failingOnIdleTurns,
    tags,
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
      project("rpc", "packages/rpc"),
      project("testkit", "packages/testkit"),
      project("cli", "packages/cli"),
      project("docs", "packages/docs"),
      project("examples", "examples/gossip"),
      project("cluster", "examples/cluster"),
      project("journal", "examples/journal"),
      project("chat", "examples/chat")
    ],
    ...(isQuick ? { testNamePattern: /^(?!.*\[slow\])/u } : {}),
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
