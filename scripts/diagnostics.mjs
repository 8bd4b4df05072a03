/**
 * The Effect diagnostics of every package and example; errors and warnings fail. The rules are chosen in tsconfig.base.json.
 * Needs a build: a package sees its neighbours through their declarations.
 */
import { existsSync, readdirSync } from "node:fs"
import { relative } from "node:path"
import { captureTool, root } from "./process.mjs"

const projects = ["packages", "examples"]
  .flatMap((folder) => readdirSync(new URL(`../${folder}`, import.meta.url)).map((name) => `${folder}/${name}`))
  .flatMap((path) => [`${path}/tsconfig.src.json`, `${path}/tsconfig.test.json`])
  .filter((project) => existsSync(new URL(`../${project}`, import.meta.url)))

const check = async (project) => {
  const args = ["diagnostics", "--project", project, "--format", "json", "--severity", "error,warning"]
  const { output, stdout } = await captureTool("effect", args)
  try {
    return JSON.parse(stdout)
  } catch {
    console.error(`${project}: no diagnostics could be had\n${output}`)
    process.exit(1)
  }
}

// A file of the sources is part of the test project too: each line once.
const found = new Set()
let files = 0

for (const project of projects) {
  const { diagnostics, summary } = await check(project)
  if (summary.totalFiles > 0 && summary.filesChecked === 0) {
    console.error(`${project}: the plugin is not configured, nothing was checked`)
    process.exit(1)
  }
  files += summary.filesChecked
  for (const { column, file, line, message, name, severity } of diagnostics) {
    found.add(`${relative(root, file)}:${line}:${column} ${severity} ${name}: ${message}`)
  }
}

for (const line of [...found].toSorted()) console.error(line)
console.log(`Effect diagnostics: ${found.size} in ${projects.length} projects`)
if (found.size > 0 || files === 0) process.exitCode = 1
