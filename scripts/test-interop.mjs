/**
 * The library next to another QUIC stack: quic-go, a Go program that is built from its sources. Without Go it says so in one
 * line and succeeds. With `--prepare` it only fetches and compiles what the peer is made of; other arguments go on to vitest.
 */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { install } from "./install.mjs"
import { capture, run, runTool } from "./process.mjs"

const folder = new URL("../packages/node/interop/quic-go/", import.meta.url)

/** The Go that there is, instead of one that it would fetch. */
const env = { ...process.env, GOTOOLCHAIN: "local" }

/** The oldest Go that the peer is written for, and what there is: as `[1, 26, 0]`. */
const numbers = (text) => (/(\d+)\.(\d+)(?:\.(\d+))?/u.exec(text) ?? []).slice(1).map((part) => Number(part ?? 0))

/** Why these tests cannot run here; nothing if they can. */
const obstacle = async () => {
  const wanted = /^go (.+)$/mu.exec(readFileSync(new URL("go.mod", folder), "utf8"))[1]
  const tried = await capture("go", ["env", "GOVERSION"], { env }).catch(() => undefined)
  if (tried === undefined || tried.code !== 0) return `Go ${wanted} or newer is needed`
  const [least, found] = [numbers(wanted), numbers(tried.stdout)]
  const i = least.findIndex((number, i) => number !== found[i])
  return i === -1 || found[i] > least[i] ? undefined : `Go ${wanted} or newer is needed, not ${tried.stdout.trim()}`
}

const reason = await obstacle()
if (reason === undefined && process.argv.includes("--prepare")) {
  process.exitCode = await run("go", ["build", "-o", "/dev/null", "."], { cwd: fileURLToPath(folder), env })
} else if (reason === undefined) {
  await install()
  process.exitCode = await runTool("vitest", ["run", "--config", "vitest.interop.ts", ...process.argv.slice(2)])
} else {
  console.log(`test:interop is skipped: ${reason}`)
}
