/** Builds the command and runs its demo. */
import { install } from "./install.mjs"
import { mustSucceed, run, runTool } from "./process.mjs"

await install()
mustSucceed(await runTool("tsc", ["-b", "packages/cli/tsconfig.src.json"]))
process.exitCode = await run(process.execPath, ["packages/cli/dist/demo.js", ...process.argv.slice(2)])
