/**
 * The library next to another QUIC stack: quic-go, a Go program that is built from its sources. Without Go it says so in one
 * line and succeeds. Arguments go on to vitest.
 */
import { readFileSync } from "node:fs"
import { install } from "./install.mjs"
import { capture, runTool } from "./process.mjs"

const folder = new URL("../packages/core/interop/quic-go/", import.meta.url)

/** The oldest Go that the peer is written for, and what there is: as `[1, 26, 0]`. */
const numbers = (text) => (/(\d+)\.(\d+)(?:\.(\d+))?/u.exec(text) ?? []).slice(1).map((part) => Number(part ?? 0))

/** Why these tests cannot run here; nothing if they can. */
const obstacle = async () => {
  const wanted = /^go (.+)$/mu.exec(readFileSync(new URL("go.mod", folder), "utf8"))[1]
  const tried = await capture("go", ["env", "GOVERSION"], { env: { ...process.env, GOTOOLCHAIN: "local" } }).catch(
    () => undefined
  )
  if (tried === undefined || tried.code !== 0) return `Go ${wanted} or newer is needed (https://go.dev)`
  const [least, found] = [numbers(wanted), numbers(tried.stdout)]
  const i = least.findIndex((number, i) => number !== found[i])
  return i === -1 || found[i] > least[i] ? undefined : `Go ${wanted} or newer is needed, not ${tried.stdout.trim()}`
}

const reason = await obstacle()
if (reason === undefined) {
  await install()
  process.exitCode = await runTool("vitest", ["run", "--config", "vitest.interop.ts", ...process.argv.slice(2)])
} else {
  console.log(`test:interop is skipped: ${reason}`)
}
