/**
 * For `npm run test:consumers`, before its tests: packs the packages, installs the tarballs into a new npm project, and the
 * runtimes and bundlers beside it. Tests find the folders with `inject("consumers")`.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { npm } from "../install.mjs"
import { pack, publishable, readJson, runNpm, temporaryFolder } from "../packages/publishable.mjs"
import { root } from "../process.mjs"
import { installTools } from "./tools.mjs"

/** What a program of a user's imports. The command is a program of its own. */
const libraries = new Set(["@qp2p/core", "@qp2p/node", "@qp2p/rpc", "@qp2p/testkit", "@qp2p/upnp"])

export const setup = async (vitest) => {
  const work = temporaryFolder("qp2p-consumers-")
  const folder = (name) => {
    const path = join(work, name)
    mkdirSync(path)
    return path
  }
  const tarballs = folder("tarballs")
  const packed = []
  for (const item of publishable().filter(({ manifest }) => libraries.has(manifest.name))) {
    packed.push((await pack(item, tarballs)).tarball)
  }

  const project = folder("project")
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "user", private: true, type: "module" }))
  const effect = `effect@${readJson(join(root, "package.json")).devDependencies.effect}`
  const [install, tools] = await Promise.all([
    runNpm(project, ["install", "--loglevel=error", ...packed, effect]),
    installTools(folder("tools"), ["bun", "deno", "esbuild", "rolldown"])
  ])
  if (install.code !== 0) throw new Error(`npm install of the tarballs\n${install.output}`)

  const { args, command } = npm()
  vitest.provide("consumers", { work, project, tarballs: packed, tools, npm: [command, ...args] })
  return () => rmSync(work, { recursive: true, force: true })
}
