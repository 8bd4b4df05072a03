/** For `npm run test:browser`, before its test: the bundler, and where the browser is. */
import { mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { temporaryFolder } from "../packages/publishable.mjs"
import { chromium } from "./chromium.mjs"
import { installTools } from "./tools.mjs"

export const setup = async (vitest) => {
  const work = temporaryFolder("qp2p-browser-")
  const folder = join(work, "tools")
  mkdirSync(folder)
  const tools = await installTools(folder, ["esbuild"])
  vitest.provide("browser", { work, chromium: chromium(), esbuild: tools.esbuild })
  return () => rmSync(work, { recursive: true, force: true })
}
