/**
 * Attacks on a node, each measured beside an honest peer; at the end, the table. Where that cannot be had, says why in
 * one line and succeeds.
 *
 * `--long` lets each attack go on for 30 s instead of 4. `--json FILE` writes the results to a file. Further arguments
 * go on to vitest: `-t "in fragments"` runs the attacks with these words in their titles.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { install } from "./install.mjs"
import { mustSucceed, root, runTool } from "./process.mjs"
import { table } from "./hostile-table.mjs"

const args = process.argv.slice(2)

/** Takes an option out of the arguments. */
const take = (name, values) => {
  const at = args.indexOf(name)
  return at === -1 ? undefined : args.splice(at, 1 + values)
}

if (process.platform === "linux") {
  const seconds = take("--long", 0) === undefined ? "4" : "30"
  const json = take("--json", 1)?.[1]
  const directory = mkdtempSync(join(tmpdir(), "qp2p-hostile-"))
  const report = join(directory, "results")
  try {
    await install()
    mustSucceed(await runTool("tsc", ["-b", "packages/node/tsconfig.src.json"]))
    const env = { ...process.env, QP2P_HOSTILE_SECONDS: seconds, QP2P_HOSTILE_REPORT: report }
    process.exitCode = await runTool("vitest", ["run", "--config", "vitest.hostile.ts", ...args], { env })
    const lines = existsSync(report) ? readFileSync(report, "utf8").trim().split("\n") : []
    const results = lines.map((line) => JSON.parse(line))
    console.log(`\n${table(results)}`)
    if (json !== undefined) writeFileSync(resolve(root, json), `${JSON.stringify(results, undefined, 2)}\n`)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
} else {
  console.log("test:hostile is skipped: it reads /proc, and uses many addresses of the loopback interface")
}
