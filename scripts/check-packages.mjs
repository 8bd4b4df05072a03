/**
 * Packs every publishable package and looks at the tarballs as their users will: manifest and contents, publint,
 * arethetypeswrong, then an npm project of its own in which each module is imported by plain Node and typechecked.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { npm, pnpm } from "./install.mjs"
import { capture, captureTool, root, tools } from "./process.mjs"

const readJson = (path) => JSON.parse(readFileSync(path, "utf8"))

const problems = []
const expect = (holds, problem) => {
  if (!holds) problems.push(problem)
}

const work = mkdtempSync(join(tmpdir(), "qp2p-packages-"))
process.on("exit", () => rmSync(work, { recursive: true, force: true }))

const packages = readdirSync(join(root, "packages"))
  .map((directory) => ({ path: join(root, "packages", directory) }))
  .map(({ path }) => ({ path, manifest: readJson(join(path, "package.json")) }))
  .filter(({ manifest }) => manifest.private !== true)

/** The subpaths that a user may import: the modules of `src` that `exports` does not close off. */
const publicModules = ({ manifest, path }) =>
  readdirSync(join(path, "src"))
    .filter((file) => file.endsWith(".ts") && file !== "index.ts")
    .map((file) => file.slice(0, -3))
    .filter((module) => manifest.exports[`./${module}`] !== null)

const internalModules = ({ path }) =>
  readdirSync(join(path, "src"), { recursive: true })
    .map((file) => file.replaceAll("\\", "/"))
    .filter((file) => file.startsWith("internal/") && file.endsWith(".ts"))
    .map((file) => file.slice(0, -3))

const pack = async (item) => {
  const { code, output, stdout } = await pnpm(["pack", "--json", "--pack-destination", work], { cwd: item.path })
  if (code !== 0) throw new Error(`${item.manifest.name}: pnpm pack failed\n${output}`)
  const { filename, files } = JSON.parse(stdout)
  return { ...item, tarball: filename, files: files.map((file) => file.path) }
}

const checkContents = ({ files, manifest }) => {
  const { name } = manifest
  for (const file of ["LICENSE", "README.md", "package.json"]) expect(files.includes(file), `${name}: no ${file}`)
  for (const file of files) {
    const module = /^dist\/(.+?)(?:\.d\.ts|\.js)(?:\.map)?$/u.exec(file)?.[1]
    if (module !== undefined) {
      expect(files.includes(`src/${module}.ts`), `${name}: ${file} has no source; run "npm run clean" and build`)
    } else {
      const known = /^(?:LICENSE|README\.md|CHANGELOG\.md|package\.json|src\/.+\.ts)$/u.test(file)
      expect(known, `${name}: ${file} does not belong into the package`)
    }
  }
}

const checkTarball = async (item) => {
  const { name } = item.manifest
  const publint = await captureTool("publint", ["run", item.tarball, "--strict"])
  expect(publint.code === 0, `${name}: publint\n${publint.output}`)
  // Named one by one: arethetypeswrong does not look behind a wildcard.
  const entrypoints = [".", ...publicModules(item).map((module) => `./${module}`)]
  const options = ["--profile", "esm-only", "--no-emoji", "--no-color", "--format", "ascii"]
  const attw = await captureTool("attw", [item.tarball, ...options, "--entrypoints", ...entrypoints])
  expect(attw.code === 0, `${name}: arethetypeswrong\n${attw.output}`)
}

/** Modules that need more than the rest of their package, so that the index leaves them out. */
const apart = ["@qp2p/testkit/TransportConformance"]

/** What plain Node finds in an installed package; the file runs in the user's project. */
const importAll = `
import { readFileSync } from "node:fs"
const problems = []
const apart = ${JSON.stringify(apart)}
for (const { name, modules, internal } of JSON.parse(readFileSync("modules.json", "utf8"))) {
  const index = await import(name).catch((error) => {
    problems.push(name + ": " + error.stack)
    return {}
  })
  for (const module of modules) {
    try {
      await import(name + "/" + module)
    } catch (error) {
      problems.push(name + "/" + module + ": " + error.stack)
    }
    const indexed = !apart.includes(name + "/" + module)
    if (module in index !== indexed) problems.push(name + (indexed ? " does not export " : " exports ") + module)
  }
  for (const module of internal) {
    const code = await import(name + "/" + module).then(() => "imported", (error) => error.code)
    if (code !== "ERR_PACKAGE_PATH_NOT_EXPORTED") problems.push(name + "/" + module + " is not closed off: " + code)
  }
}
for (const problem of problems) console.error(problem)
process.exit(problems.length === 0 ? 0 : 1)
`

const checkInstalled = async (packed) => {
  const project = mkdtempSync(join(work, "project-"))
  const options = { cwd: project }
  const modules = packed.map((item) => ({
    name: item.manifest.name,
    modules: publicModules(item),
    internal: ["internal/x", ...internalModules(item)]
  }))
  const write = (file, content) => writeFileSync(join(project, file), content)
  write("package.json", JSON.stringify({ name: "user", private: true, type: "module" }))
  write("modules.json", JSON.stringify(modules))
  write("import.js", importAll)

  const { args, command, options: more } = npm()
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"]
  const tarballs = packed.map(({ tarball }) => tarball)
  // npm installs peers by itself, but for optional ones: those are what `apart` needs.
  const optional = packed.flatMap(({ manifest }) =>
    Object.keys(manifest.peerDependenciesMeta ?? {}).map((peer) => `${peer}@${manifest.peerDependencies[peer]}`)
  )
  const install = await capture(command, [...args, "install", ...quiet, ...tarballs, ...optional], {
    ...more,
    ...options
  })
  if (install.code !== 0) {
    expect(false, `npm install of the tarballs\n${install.output}`)
    return
  }

  for (const { manifest } of packed) {
    const installed = join(project, "node_modules", manifest.name)
    const text = readFileSync(join(installed, "package.json"), "utf8")
    expect(!text.includes("workspace:"), `${manifest.name}: "workspace:" is left in package.json`)
    for (const [bin, file] of Object.entries(manifest.bin ?? {})) {
      const help = await capture(process.execPath, [join(installed, file), "--help"], options)
      expect(help.code === 0, `${bin} --help\n${help.output}`)
    }
  }

  const imported = await capture(process.execPath, ["import.js"], options)
  expect(imported.code === 0, imported.output)

  const names = modules.flatMap((item) => [item.name, ...item.modules.map((module) => `${item.name}/${module}`)])
  write("main.ts", names.map((name, index) => `export type * as M${index} from "${name}"`).join("\n"))
  const compilerOptions = {
    module: "nodenext",
    target: "es2023",
    lib: ["es2023"],
    strict: true,
    noEmit: true,
    types: []
  }
  write("tsconfig.json", JSON.stringify({ compilerOptions, files: ["main.ts"] }))
  const tsc = await capture(process.execPath, [join(root, tools.tsc), "--pretty", "false"], options)
  // Declarations are checked too; those of others are theirs to mend.
  const errors = tsc.output.split("\n").filter((line) => /^(?:main\.ts|node_modules\/@qp2p\/)/u.test(line))
  expect(errors.length === 0, `types, as installed\n${errors.join("\n")}`)
}

const packed = []
for (const item of packages) packed.push(await pack(item))
for (const item of packed) {
  checkContents(item)
  await checkTarball(item)
}
await checkInstalled(packed)

for (const problem of problems) console.error(problem)
console.log(`Packages: ${packed.length} packed, ${problems.length} problems`)
if (problems.length > 0) process.exitCode = 1
