/**
 * Attacks on a node, each measured beside an honest peer; at the end, the table. Where that cannot be had, says why in
 * one line and succeeds.
 *
 * `--long` lets each attack go on for 30 s instead of 4. `--short` runs a choice of them, for 2 s
 * each, and waits no longer for the node's memory to come back than until it is within what is asserted. `--json FILE` writes
 * the results to a file. Further arguments go on to vitest: `-t "in fragments"` runs the attacks with these words in
 * their titles.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { install } from "./install.mjs"
import { mustSucceed, root, runTool } from "./process.mjs"
import { table } from "./hostile-table.mjs"

const args = process.argv.slice(2)

/** The attacks of `--short`: of each kind one or two that were the worst before there was a defence. */
const chosen = [
  "without an attack",
  "connections that are dialled and closed without end",
  "ports that never answer, to be verified",
  "questions to the program without end",
  "messages without end",
  "STREAM frames of a byte, out of order$",
  "110 MiB of unfinished messages from each of 16 peers",
  "answers that are never read",
  "8,000 Initial packets a second that cannot be decrypted",
  "NEW_CONNECTION_ID frames that retire the id before",
  "one packet, again and again",
  "sends no stream to a victim by invented acknowledgements",
  "lets no peer speak in another's name with the id that counts as the oldest",
  "has no stranger dialled"
]

/** Takes an option out of the arguments. */
const take = (name, values) => {
  const at = args.indexOf(name)
  return at === -1 ? undefined : args.splice(at, 1 + values)
}

if (process.platform === "linux") {
  const isShort = take("--short", 0) !== undefined
  const seconds = take("--long", 0) === undefined ? (isShort ? "2" : "4") : "30"
  if (isShort) args.push("-t", `(?:${chosen.join("|")})`)
  const json = take("--json", 1)?.[1]
  const directory = mkdtempSync(join(tmpdir(), "qp2p-hostile-"))
  const report = join(directory, "results")
  try {
    await install()
    mustSucceed(await runTool("tsc", ["-b", "packages/node/tsconfig.src.json", "packages/rpc/tsconfig.src.json"]))
    const env = {
      ...process.env,
      QP2P_HOSTILE_SECONDS: seconds,
      QP2P_HOSTILE_REPORT: report,
      ...(isShort ? { QP2P_HOSTILE_SHORT: "1" } : {})
    }
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
