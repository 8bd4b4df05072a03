/** Projects whose package manager did not install the binary of this machine: what the program says, and how it runs all the same. */
import { assert, describe, it } from "vitest"
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { consumers, marco, node, run } from "./project.ts"

const modules = join(consumers.project, "node_modules")

/** The names of the packages that npm has put there. */
const installed = readdirSync(modules)
  .filter((name) => !name.startsWith("."))
  .flatMap((name) =>
    name.startsWith("@") ? readdirSync(join(modules, name)).map((each) => `${name}/${each}`) : [name]
  )

/**
 * A new project with everything that the other one has but the binary: its own copy of our packages, and links to the rest.
 * `npm run check:platforms` shows what npm really installs.
 */
const withoutBinary = (name: string): string => {
  const folder = join(consumers.work, name)
  for (const each of installed.filter((each) => !each.startsWith("@matrixai/quic-"))) {
    const target = join(folder, "node_modules", each)
    mkdirSync(dirname(target), { recursive: true })
    if (each.startsWith("@qp2p/")) cpSync(join(modules, each), target, { recursive: true })
    else symlinkSync(join(modules, each), target, "junction")
  }
  writeFileSync(join(folder, "marco.mjs"), marco)
  return folder
}

/** The package of a machine that this one is not. */
const another = process.platform === "darwin" ? "@matrixai/quic-win32-x64" : "@matrixai/quic-darwin-arm64"

const own = `@matrixai/quic-${process.platform}-${process.arch}`

describe("a project without optional dependencies", () => {
  it("is told so, and runs with a binary that QP2P_QUICHE_BINDING names", async () => {
    const folder = withoutBinary("without-optional-dependencies")
    const { code, output } = await run(node("marco.mjs"), folder)
    assert.strictEqual(code, 1, output)
    assert.include(output, `the QUIC binding for ${process.platform}-${process.arch}`, output)
    assert.include(output, `finds no ${own}`, output)
    assert.include(output, "--omit=optional", output)

    const binary = createRequire(join(consumers.project, "package.json")).resolve(own)
    const program = `process.env.QP2P_QUICHE_BINDING = ${JSON.stringify(binary)}; import("./marco.mjs")`
    const named = await run(node("--eval", program), folder)
    assert.deepStrictEqual([named.code, named.stdout], [0, "marco\n"], named.output)
  })
})

describe("a project that was installed for another system", () => {
  it("is told which system's binary it has", async () => {
    const folder = withoutBinary("another-system")
    const foreign = join(folder, "node_modules", another)
    mkdirSync(foreign, { recursive: true })
    writeFileSync(join(foreign, "package.json"), JSON.stringify({ name: another, main: "node.napi.node" }))
    writeFileSync(join(foreign, "node.napi.node"), "")
    const { code, output } = await run(node("marco.mjs"), folder)
    assert.strictEqual(code, 1, output)
    assert.include(output, `finds no ${own}; ${another} is there`, output)
    assert.include(output, "install again", output)
  })
})
