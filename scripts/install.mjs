/** Fetches the pinned pnpm and installs the dependencies, unless what is installed matches the lockfile. */
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs"
import { basename, join } from "node:path"
import { argv } from "node:process"
import { fileURLToPath } from "node:url"
import { capture, root } from "./process.mjs"

const readJson = (path) => JSON.parse(readFileSync(join(root, path), "utf8"))

/** `pnpm@x.y.z`: the one version that the lockfile was written with. */
const packageManager = readJson("package.json").packageManager

/**
 * How npm is started. Under `npm start` it says where its own script is, which needs no shell on Windows; under
 * another package manager that variable names the other one.
 */
export const npm = () => {
  const script = process.env.npm_execpath
  return script !== undefined && basename(script) === "npm-cli.js"
    ? { command: process.execPath, args: [script], options: {} }
    : { command: "npm", args: [], options: { shell: process.platform === "win32" } }
}

/**
 * Runs the pinned pnpm through npm, which every Node brings, and resolves to `{ code, output, stdout }`.
 *
 * `pm-on-fail`: the version is pinned here already; pnpm would ask the registry for it once more.
 */
export const pnpm = (args, options) => {
  const { args: before, command, options: more } = npm()
  const exec = ["exec", "--yes", "--loglevel=error", `--package=${packageManager}`, "--", "pnpm"]
  return capture(command, [...before, ...exec, ...args, "--pm-on-fail=ignore"], { ...more, ...options })
}

/** pnpm leaves a copy of the lockfile that it installed from, last of all. */
const isInstalled = () => {
  const installed = join(root, "node_modules/.pnpm/lock.yaml")
  return (
    existsSync(join(root, "node_modules/.modules.yaml")) &&
    existsSync(installed) &&
    readFileSync(installed).equals(readFileSync(join(root, "pnpm-lock.yaml"))) &&
    ["packages", "examples"].every((folder) =>
      readdirSync(join(root, folder)).every((name) => existsSync(join(root, folder, name, "node_modules")))
    )
  )
}

/** Installs what the lockfile says, unless it is there already. Ends the process when it cannot. */
export const install = async () => {
  if (isInstalled()) return
  const started = performance.now()
  console.log(`Installing dependencies with ${packageManager}: once, about a minute ...`)
  // CI: pnpm asks nothing, and its output is plain.
  const env = { ...process.env, CI: "true" }
  const { code, output } = await pnpm(["install", "--frozen-lockfile", "--reporter=append-only"], { env })
  if (code !== 0) {
    console.error(output)
    console.error(`Installing dependencies failed: pnpm ended with exit code ${code}.`)
    process.exit(1)
  }
  console.log(`Dependencies installed in ${((performance.now() - started) / 1000).toFixed(0)} s.`)
}

if (realpathSync(argv[1]) === fileURLToPath(import.meta.url)) await install()
