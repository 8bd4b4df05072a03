/**
 * The core in a browser: bundled with the memory transport, and two endpoints of it in headless Chromium. Where there is none,
 * says so in one line and succeeds. Arguments go on to vitest.
 */
import { install } from "./install.mjs"
import { chromium } from "./consumers/chromium.mjs"
import { mustSucceed, runTool } from "./process.mjs"

if (chromium() === undefined) {
  console.log(
    "test:browser is skipped: no Chromium or Chrome found (on Debian: apt-get install chromium; or name it in CHROMIUM)"
  )
} else {
  await install()
  mustSucceed(await runTool("tsc", ["-b", "packages/testkit/tsconfig.src.json"]))
  const args = ["run", "--config", "vitest.consumers.ts", "--project", "browser"]
  process.exitCode = await runTool("vitest", [...args, ...process.argv.slice(2)])
}
