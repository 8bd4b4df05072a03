/** The publishable packages of the workspace: their modules, and their tarballs. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { npm, pnpm } from "../install.mjs"
import { capture, root } from "../process.mjs"

export const readJson = (path) => JSON.parse(readFileSync(path, "utf8"))

/** Every package that is not private, as `{ manifest, path }`. */
export const publishable = () =>
  readdirSync(join(root, "packages"))
    .map((directory) => join(root, "packages", directory))
    .map((path) => ({ path, manifest: readJson(join(path, "package.json")) }))
    .filter(({ manifest }) => manifest.private !== true)

/** The subpaths that a user may import: the modules of `src` that `exports` does not close off. */
export const publicModules = ({ manifest, path }) =>
  readdirSync(join(path, "src"))
    .filter((file) => file.endsWith(".ts") && file !== "index.ts")
    .map((file) => file.slice(0, -3))
    .filter((module) => manifest.exports[`./${module}`] !== null)

/** The modules below `internal/`, which no user can import. */
export const internalModules = ({ path }) =>
  readdirSync(join(path, "src"), { recursive: true })
    .map((file) => file.replaceAll("\\", "/"))
    .filter((file) => file.startsWith("internal/") && file.endsWith(".ts"))
    .map((file) => file.slice(0, -3))

/** Packs a package into `folder`; adds the path of the `tarball` and the names of its `files`. */
export const pack = async (item, folder) => {
  const { code, output, stdout } = await pnpm(["pack", "--json", "--pack-destination", folder], { cwd: item.path })
  if (code !== 0) throw new Error(`${item.manifest.name}: pnpm pack failed\n${output}`)
  const { filename, files } = JSON.parse(stdout)
  return { ...item, tarball: filename, files: files.map((file) => file.path) }
}

/** Runs npm in `folder`: quietly, without install scripts; resolves as `capture` does. */
export const runNpm = (folder, args) => {
  const { args: before, command, options } = npm()
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
  return capture(command, [...before, ...args, ...quiet], { ...options, cwd: folder })
}

/** A folder that is gone when this process ends. */
export const temporaryFolder = (name) => {
  const folder = mkdtempSync(join(tmpdir(), name))
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
  return folder
}
