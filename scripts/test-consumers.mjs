/**
 * The packed packages in a project of a user's: Node, TypeScript, Bun, Deno, and bundlers. Needs the npm registry, for the
 * packages' dependencies and for the tools. Arguments go on to vitest.
 */
import { install } from "./install.mjs"
import { mustSucceed, runTool } from "./process.mjs"

await install()
mustSucceed(await runTool("tsc", ["-b"]))
const args = ["run", "--config", "vitest.consumers.ts", "--project", "consumers"]
process.exitCode = await runTool("vitest", [...args, ...process.argv.slice(2)])
