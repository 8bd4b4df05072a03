/** Builds everything and runs every test. Arguments go on to vitest. */
import { install } from "./install.mjs"
import { mustSucceed, runTool } from "./process.mjs"

await install()
mustSucceed(await runTool("tsc", ["-b"]))
process.exitCode = await runTool("vitest", ["run", "--config", "vitest.workspace.ts", ...process.argv.slice(2)])
