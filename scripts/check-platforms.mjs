/**
 * Installs the native binding as npm does on each platform, with `--os`, `--cpu` and `--libc`, and looks at what came: which
 * package, in which version, for which system its binary is made, and whether the names of all methods that the driver calls
 * occur in it. It runs none of these binaries: whether the methods are there is what the loader looks at.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { npm } from "./install.mjs"
import { capture, root } from "./process.mjs"

/** The package with the driver. */
const driver = join(root, "packages/node")
const internal = "dist/internal/binding"

const readJson = (path) => JSON.parse(readFileSync(path, "utf8"))
const importBuilt = (module) => import(pathToFileURL(join(driver, internal, `${module}.js`)).href)

const { names } = await importBuilt("surface")
const { allPackages, packageFor } = await importBuilt("platformPackages")

const elf = "ELF, x86-64"
const platforms = [
  { platform: "linux", arch: "x64", libc: "glibc", format: elf },
  // The package has no `libc` field, so npm installs it here, too. The system refuses to load it, and the loader says why.
  { platform: "linux", arch: "x64", libc: "musl", format: elf },
  { platform: "linux", arch: "arm64", libc: "glibc" },
  { platform: "linux", arch: "arm64", libc: "musl" },
  { platform: "darwin", arch: "arm64", format: "Mach-O, arm64" },
  { platform: "darwin", arch: "x64", format: "Mach-O, x86-64" },
  { platform: "win32", arch: "x64", format: "PE, x86-64" },
  { platform: "win32", arch: "arm64" }
]

/** What a binary is made for, by its first bytes. */
const formatOf = (binary) => {
  const magic = binary.readUInt32BE(0)
  if (magic === 0x7f454c46) return { 0x3e: elf, 0xb7: "ELF, arm64" }[binary.readUInt16LE(18)]
  if (magic === 0xcffaedfe) {
    return { 0x01000007: "Mach-O, x86-64", 0x0100000c: "Mach-O, arm64" }[binary.readUInt32LE(4)]
  }
  if (binary.readUInt16BE(0) !== 0x4d5a) return undefined
  return { 0x8664: "PE, x86-64", 0xaa64: "PE, arm64" }[binary.readUInt16LE(binary.readUInt32LE(0x3c) + 4)]
}

const problems = []
const expect = (holds, problem) => {
  if (!holds) problems.push(problem)
}

const manifest = readJson(join(driver, "package.json"))
const optional = manifest.optionalDependencies
expect(
  Object.keys(optional).toSorted().join() === allPackages.toSorted().join(),
  `${manifest.name}: its optional dependencies are not those that platformPackages.ts knows`
)
for (const [name, version] of Object.entries(optional)) {
  expect(/^\d+\.\d+\.\d+$/u.test(version), `${manifest.name}: ${name} has no exact version`)
}

const work = mkdtempSync(join(tmpdir(), "qp2p-platforms-"))
process.on("exit", () => rmSync(work, { recursive: true, force: true }))

/** The binding's part of the package's dependencies: the rest is the same everywhere. */
const user = {
  name: "user",
  private: true,
  dependencies: Object.fromEntries(
    Object.entries(manifest.dependencies).filter(([name]) => name.startsWith("@matrixai/"))
  ),
  optionalDependencies: optional
}

const check = async ({ arch, format, libc, platform }) => {
  const title = [platform, arch, libc].filter((part) => part !== undefined).join(" ")
  const project = mkdtempSync(join(work, "project-"))
  writeFileSync(join(project, "package.json"), JSON.stringify(user))
  const target = [`--os=${platform}`, `--cpu=${arch}`, ...(libc === undefined ? [] : [`--libc=${libc}`])]
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"]
  const { args, command, options } = npm()
  const install = await capture(command, [...args, "install", ...target, ...quiet], { ...options, cwd: project })
  if (install.code !== 0) return expect(false, `${title}: npm install\n${install.output}`)

  const installed = allPackages.filter((name) => existsSync(join(project, "node_modules", name)))
  const wanted = packageFor({ platform, arch })
  expect(installed.join() === (wanted ?? ""), `${title}: npm installs ${installed.join(", ") || "nothing"}`)
  if (wanted === undefined) return console.log(`${title}: no package; the loader says how to build one`)
  if (installed.length === 0) return undefined

  const folder = join(project, "node_modules", wanted)
  const { main, version } = readJson(join(folder, "package.json"))
  expect(version === optional[wanted], `${title}: ${wanted} is ${version}`)
  const binary = readFileSync(join(folder, main))
  const found = formatOf(binary)
  expect(found === format, `${title}: ${wanted} is ${found}`)
  const text = binary.toString("latin1")
  const missing = names.filter((name) => !text.includes(name.split(".").at(-1)))
  expect(missing.length === 0, `${title}: ${wanted} has no ${missing.join(", ")}`)
  console.log(`${title}: ${wanted} ${version} (${found}, ${names.length - missing.length} of ${names.length} methods)`)
}

for (const platform of platforms) await check(platform)
for (const problem of problems) console.error(problem)
process.exit(problems.length === 0 ? 0 : 1)
