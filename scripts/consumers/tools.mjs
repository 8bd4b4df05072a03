/** The runtimes and bundlers that users may have: exact versions from npm, installed for one run and no part of the workspace. */
import { existsSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { runNpm } from "../packages/publishable.mjs"

const versions = {
  bun: "1.4.5",
  deno: "2.9.6",
  esbuild: "0.28.2",
  rolldown: "1.3.3"
}

/** Their install scripts do not run: the binaries are in packages of the platform. */
const binary = (folder, scope, name) => {
  const packages = join(folder, "node_modules", scope)
  const found = (existsSync(packages) ? readdirSync(packages) : [])
    .flatMap((entry) => [join(packages, entry, name), join(packages, entry, "bin", name)])
    .find((path) => existsSync(path))
  if (found === undefined) throw new Error(`${scope}: no ${name} for ${process.platform}-${process.arch}`)
  return found
}

const exe = process.platform === "win32" ? ".exe" : ""

/** How each of them is started: a command and its first arguments. */
const starts = {
  bun: (folder) => [binary(folder, "@oven", `bun${exe}`)],
  deno: (folder) => [binary(folder, "@deno", `deno${exe}`)],
  esbuild: (folder) => [process.execPath, join(folder, "node_modules/esbuild/bin/esbuild")],
  rolldown: (folder) => [process.execPath, join(folder, "node_modules/rolldown/bin/cli.mjs")]
}

/** Installs the named tools into `folder`; resolves to the command and first arguments of each. */
export const installTools = async (folder, names) => {
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }))
  const packages = names.map((name) => `${name}@${versions[name]}`)
  const { code, output } = await runNpm(folder, ["install", "--loglevel=error", "--save-exact", ...packages])
  if (code !== 0) throw new Error(`npm install ${packages.join(" ")}\n${output}`)
  return Object.fromEntries(names.map((name) => [name, starts[name](folder)]))
}
