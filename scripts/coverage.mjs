/**
 * Which lines, branches and functions of the core's sources its own tests reach: a table for the terminal, and pages to
 * read in `coverage/`. Arguments go on to vitest.
 */
import { install } from "./install.mjs"
import { mustSucceed, runTool } from "./process.mjs"

await install()
mustSucceed(await runTool("tsc", ["-b"]))
const args = ["run", "--config", "vitest.workspace.ts", "--project", "core", "--coverage"]
process.exitCode = await runTool("vitest", [...args, ...process.argv.slice(2)])
