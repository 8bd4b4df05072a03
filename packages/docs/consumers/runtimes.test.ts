/** What users run the installed packages with: Node, TypeScript, Bun and Deno. */
import { assert, describe, it } from "vitest"
import { join } from "node:path"
import { root } from "../test/markdown.ts"
import { consumers, type Ended, layers, marco, marcoCommonJs, node, run, write } from "./project.ts"

const { bun } = consumers.tools

const prints = ({ code, output, stdout }: Ended, line: string) => {
  assert.strictEqual(stdout, `${line}\n`, output)
  assert.strictEqual(code, 0, output)
}

write("marco.mjs", marco)
write("marco.cjs", marcoCommonJs)
write("layers.mjs", layers)

describe("Node", () => {
  it("runs the first program of README", async () => prints(await run(node("marco.mjs")), "marco"))

  it("runs endpoints from layers", async () => prints(await run(node("layers.mjs")), "polo"))

  it("runs the first program in CommonJS, with require", async () => {
    assert.notInclude(marcoCommonJs, "import ")
    prints(await run(node("marco.cjs")), "marco")
  })
})

describe("TypeScript", () => {
  it("compiles the first program as a module and as CommonJS", async () => {
    const tsc = join(root, "node_modules/typescript/bin/tsc")
    write("src/marco.mts", `${marco}\nexport {}\n`)
    write("src/marco.cts", marco)
    const options = { module: "nodenext", target: "es2023", lib: ["es2023", "dom"], strict: true, types: [] }
    const more = { rootDir: "src", outDir: "compiled", skipLibCheck: true }
    write("tsconfig.json", JSON.stringify({ compilerOptions: { ...options, ...more }, include: ["src"] }))
    const compiled = await run(node(tsc, "--pretty", "false"))
    assert.strictEqual(compiled.code, 0, compiled.output)
    prints(await run(node("compiled/marco.mjs")), "marco")
    prints(await run(node("compiled/marco.cjs")), "marco")
  })
})

describe("Bun", () => {
  it("runs the first program of README", async () => prints(await run([...bun, "marco.mjs"]), "marco"))

  it("runs endpoints from layers", async () => prints(await run([...bun, "layers.mjs"]), "polo"))

  it("runs the first program in CommonJS, with require", async () => prints(await run([...bun, "marco.cjs"]), "marco"))
})

describe("Deno", () => {
  const deno = (file: string, ...permissions: ReadonlyArray<string>) =>
    run([...consumers.tools.deno, "run", "--no-prompt", ...permissions, file])
  const permissions = ["--allow-net", "--allow-ffi"]

  it("runs the first program of README", async () => prints(await deno("marco.mjs", ...permissions), "marco"))

  it("runs endpoints from layers", async () => prints(await deno("layers.mjs", ...permissions), "polo"))

  it("runs the first program in CommonJS, with require", async () =>
    prints(await deno("marco.cjs", ...permissions), "marco"))

  it("says that the native binding needs a permission, where it has none", async () => {
    const { code, output } = await deno("marco.mjs", "--allow-net")
    assert.strictEqual(code, 1, output)
    assert.match(output, /BindError: .* Deno needs --allow-ffi/u)
  })
})
