/**
 * Programs made by bundlers. The native binding is no part of a bundle: it is found in `node_modules`, and reported as missing
 * where there are none.
 */
import { assert, describe, it } from "vitest"
import { cpSync, mkdirSync, readdirSync } from "node:fs"
import { basename, join } from "node:path"
import { consumers, type Ended, marco, marcoCommonJs, node, run, write } from "./project.ts"

const { bun, esbuild, rolldown } = consumers.tools

const forNode = ["--platform=node", "--log-level=warning"]

/** What each bundler is told, and the file that it makes. */
const bundles = [
  {
    bundler: "esbuild, to a module",
    file: "bundles/esbuild.mjs",
    command: [...esbuild, "marco.mjs", "--bundle", ...forNode, "--format=esm", "--outfile=bundles/esbuild.mjs"] as const
  },
  {
    bundler: "esbuild, to CommonJS",
    file: "bundles/esbuild.cjs",
    command: [...esbuild, "marco.mjs", "--bundle", ...forNode, "--format=cjs", "--outfile=bundles/esbuild.cjs"] as const
  },
  {
    bundler: "esbuild, from CommonJS, minified",
    file: "bundles/esbuild.min.cjs",
    command: [...esbuild, "marco.cjs", "--bundle", "--minify", ...forNode, "--outfile=bundles/esbuild.min.cjs"] as const
  },
  {
    bundler: "rolldown, to a module",
    file: "bundles/rolldown.mjs",
    command: [
      ...rolldown,
      "marco.mjs",
      "--platform",
      "node",
      "--format",
      "esm",
      "--file",
      "bundles/rolldown.mjs"
    ] as const
  },
  {
    bundler: "rolldown, to CommonJS",
    file: "bundles/rolldown.cjs",
    command: [
      ...rolldown,
      "marco.mjs",
      "--platform",
      "node",
      "--format",
      "cjs",
      "--file",
      "bundles/rolldown.cjs"
    ] as const
  }
]

write("marco.mjs", marco)
write("marco.cjs", marcoCommonJs)

const prints = ({ code, output, stdout }: Ended, line: string) => {
  assert.strictEqual(stdout, `${line}\n`, output)
  assert.strictEqual(code, 0, output)
}

/** A new folder with a copy of the bundle and nothing else. */
const alone = (file: string, name: string): string => {
  const folder = join(consumers.work, name, basename(file))
  mkdirSync(folder, { recursive: true })
  cpSync(join(consumers.project, file), join(folder, basename(file)))
  return folder
}

/** The package that has the binary for this machine; npm has installed it as an optional dependency. */
const binding = `@matrixai/${readdirSync(join(consumers.project, "node_modules/@matrixai")).find((name) => name.startsWith("quic-"))}`

describe.each(bundles)("$bundler", ({ command, file }) => {
  it("makes a program that runs beside node_modules", async () => {
    const made = await run(command)
    assert.strictEqual(made.code, 0, made.output)
    prints(await run(node(file)), "marco")
  })

  it("makes one that says, alone, which package it misses", async () => {
    const { code, output } = await run(node(basename(file)), alone(file, "without"))
    assert.strictEqual(code, 1, output)
    assert.include(output, "the QUIC binding cannot be bundled", output)
    assert.include(output, `finds no ${binding}`, output)
  })

  it("makes one that runs alone with the package of the binding", async () => {
    const folder = alone(file, "with")
    const modules = ["node_modules", ...binding.split("/")]
    cpSync(join(consumers.project, ...modules), join(folder, ...modules), { recursive: true })
    prints(await run(node(basename(file)), folder), "marco")
  })
})

describe("one executable file of Bun's", () => {
  it("says that it misses the package of the binding, even beside node_modules", async () => {
    const file = join(consumers.project, "bundles", process.platform === "win32" ? "marco.exe" : "marco")
    const made = await run([...bun, "build", "--compile", "marco.mjs", "--outfile", file])
    assert.strictEqual(made.code, 0, made.output)
    const { code, output } = await run([file])
    assert.strictEqual(code, 1, output)
    assert.include(output, "the QUIC binding cannot be bundled", output)
    assert.include(output, `finds no ${binding}`, output)
  })
})
