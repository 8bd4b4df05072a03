/** The tarballs in an npm project of their own: each module is imported by plain Node and typechecked. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { capture, root, tools } from "../process.mjs"
import { internalModules, publicModules, runNpm } from "./publishable.mjs"

/** Modules that need more than the rest of their package, so that the index leaves them out. */
const apart = ["FakeRouter", "SimulatedNetwork", "TestRpc", "TransportConformance"].map(
  (module) => `@qp2p/testkit/${module}`
)

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

/** What the index of each package has, where nothing is installed that a package only may have. */
const importIndexes = `
import { readFileSync } from "node:fs"
for (const { name } of JSON.parse(readFileSync("modules.json", "utf8"))) {
  await import(name).catch((error) => {
    console.error(name + " needs what is optional: " + error.message)
    process.exitCode = 1
  })
}
`

const compilerOptions = {
  module: "nodenext",
  target: "es2023",
  lib: ["es2023"],
  strict: true,
  noEmit: true,
  types: []
}

const modulesOf = (item) => ({
  name: item.manifest.name,
  modules: publicModules(item),
  internal: ["internal/x", ...internalModules(item)]
})

/** A project of a user's with these tarballs and packages. */
const project = async (work, packed, more) => {
  const folder = mkdtempSync(join(work, "project-"))
  const write = (file, content) => writeFileSync(join(folder, file), content)
  write("package.json", JSON.stringify({ name: "user", private: true, type: "module" }))
  write("modules.json", JSON.stringify(packed.map(modulesOf)))
  const tarballs = packed.map(({ tarball }) => tarball)
  const { code, output } = await runNpm(folder, ["install", "--loglevel=error", ...tarballs, ...more])
  return { folder, write, problem: code === 0 ? undefined : `npm install of the tarballs\n${output}` }
}

/** The testkit with the core and nothing that is optional: what runs anywhere. */
const withoutOptional = async (work, packed) => {
  const anywhere = packed.filter(({ manifest }) => ["@qp2p/core", "@qp2p/testkit"].includes(manifest.name))
  const { folder, problem, write } = await project(work, anywhere, [])
  if (problem !== undefined) return [problem]
  write("import.js", importIndexes)
  const imported = await capture(process.execPath, ["import.js"], { cwd: folder })
  return imported.code === 0 ? [] : [imported.output]
}

/** All of the packages with all that they may have. */
const withEverything = async (work, packed) => {
  // npm installs peers by itself, but for optional ones: those are what `apart` needs.
  const optional = packed.flatMap(({ manifest }) =>
    Object.keys(manifest.peerDependenciesMeta ?? {})
      .filter((peer) => !peer.startsWith("@qp2p/"))
      .map((peer) => `${peer}@${manifest.peerDependencies[peer]}`)
  )
  const { folder, problem, write } = await project(work, packed, optional)
  if (problem !== undefined) return [problem]
  const problems = []
  const expect = (holds, text) => {
    if (!holds) problems.push(text)
  }

  for (const { manifest } of packed) {
    const installed = join(folder, "node_modules", manifest.name)
    const text = readFileSync(join(installed, "package.json"), "utf8")
    expect(!text.includes("workspace:"), `${manifest.name}: "workspace:" is left in package.json`)
    for (const [bin, file] of Object.entries(manifest.bin ?? {})) {
      const help = await capture(process.execPath, [join(installed, file), "--help"], { cwd: folder })
      expect(help.code === 0, `${bin} --help\n${help.output}`)
    }
  }

  write("import.js", importAll)
  const imported = await capture(process.execPath, ["import.js"], { cwd: folder })
  expect(imported.code === 0, imported.output)

  const names = packed
    .map(modulesOf)
    .flatMap(({ modules, name }) => [name, ...modules.map((module) => `${name}/${module}`)])
  write("main.ts", names.map((name, index) => `export type * as M${index} from "${name}"`).join("\n"))
  write("tsconfig.json", JSON.stringify({ compilerOptions, files: ["main.ts"] }))
  const tsc = await capture(process.execPath, [join(root, tools.tsc), "--pretty", "false"], { cwd: folder })
  // Declarations are checked too; those of others are theirs to mend.
  const errors = tsc.output.split("\n").filter((line) => /^(?:main\.ts|node_modules\/@qp2p\/)/u.test(line))
  expect(errors.length === 0, `types, as installed\n${errors.join("\n")}`)
  return problems
}

/** What is wrong with the packages once they are installed. */
export const installedProblems = async (work, packed) => [
  ...(await withoutOptional(work, packed)),
  ...(await withEverything(work, packed))
]
