import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { spawn } from "node:child_process"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { documents, root } from "./markdown.ts"

/**
 * Every `ts` block is a program of its own: it compiles against the packages as their users get them, and it ends by
 * itself. What it prints is in it, as `// => line`. A block that imports `@effect/vitest` is run by vitest. A `js` block is
 * run as it stands.
 */
const directory = fileURLToPath(new URL("../", import.meta.url))
const tsc = join(root, "node_modules/typescript/bin/tsc")
const vitest = join(root, "node_modules/vitest/vitest.mjs")

const programs = documents.flatMap(({ blocks, path }) =>
  blocks
    .filter(({ language }) => language === "ts" || language === "js")
    .map(({ code, language, line }) => {
      const isTest = code.includes(`from "@effect/vitest"`)
      const name = `${path.replaceAll(/[^\w.]/gu, "-")}-${line}${isTest ? ".test" : ""}`
      const prints = [...code.matchAll(/\/\/ => (.*)$/gmu)].map((match) => match[1])
      return { where: `${path}:${line}`, name, code, prints, isTest, isPlain: language === "js" }
    })
)

/** What a reader saves as `marco.mjs`. */
const first = programs.find(({ where }) => where.startsWith("README.md:"))!
const plain = "marco"

const running = new Set<ReturnType<typeof spawn>>()

/** Runs Node and waits for its end; what it printed comes back with the exit code. */
const node = (...args: ReadonlyArray<string>) =>
  new Promise<{ readonly code: number | null; readonly stdout: string; readonly output: string }>((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], env: environment })
    running.add(child)
    let output = ""
    let stdout = ""
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      stdout += chunk
      output += chunk
    })
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk
    })
    child.on("error", reject)
    child.on("close", (code) => {
      running.delete(child)
      resolve({ code, stdout, output })
    })
  })

/** Without what this vitest tells its own children. */
const environment = Object.fromEntries(
  Object.entries({ ...process.env, NO_COLOR: "1" }).filter(
    ([name]) => !/^(?:VITEST|TEST|NODE_ENV|FORCE_COLOR)/u.test(name)
  )
)

let compiled = { code: -1 as number | null, output: "" }

beforeAll(async () => {
  const blocks = join(directory, "dist/blocks")
  rmSync(join(directory, "dist"), { recursive: true, force: true })
  mkdirSync(blocks, { recursive: true })
  for (const { code, isPlain, name } of programs) {
    if (!isPlain) writeFileSync(join(blocks, `${name}.ts`), `${code}\nexport {}\n`)
  }
  // Builds the packages too, where their sources are newer: what runs is what is on disk.
  compiled = await node(tsc, "-b", join(directory, "tsconfig.blocks.json"), "--pretty", "false")
  for (const { code, isPlain, name } of programs) {
    if (isPlain) writeFileSync(join(directory, "dist/run", `${name}.js`), code)
  }
  writeFileSync(join(directory, "dist/run", `${plain}.js`), first.code)
}, 240_000)

afterAll(() => {
  for (const child of running) child.kill("SIGKILL")
})

/** The compiler names the extracted file; its readers want the line of the document. */
const located = (output: string): string =>
  output.replaceAll(
    /^\S*dist\/blocks\/(.+?)\.ts\((\d+),(\d+)\)/gmu,
    (_, name: string, line: string, column: string) => {
      const program = programs.find((each) => each.name === name)!
      const start = Number(program.where.split(":")[1])
      return `${program.where.split(":")[0]}:${start + Number(line) - 1}:${column}`
    }
  )

describe("code in Markdown", () => {
  it("is there", () => {
    assert.isAbove(programs.length, 0)
    assert.strictEqual(new Set(programs.map(({ name }) => name)).size, programs.length)
  })

  it("compiles", () => {
    assert.strictEqual(compiled.code, 0, located(compiled.output))
  })

  it("of the first program runs as plain JavaScript, without a compiler", async () => {
    const { code, output, stdout } = await node(join(directory, "dist/run", `${plain}.js`))
    assert.strictEqual(code, 0, output)
    assert.deepStrictEqual(stdout.split("\n").slice(0, -1), first.prints, output)
  })

  it.each(programs)("$where runs", async ({ isTest, name, prints }) => {
    const file = join(directory, "dist/run", `${name}.js`)
    if (isTest) {
      const { code, output } = await node(vitest, "run", "--root", dirname(file), `${name}.js`)
      assert.strictEqual(code, 0, output)
      assert.match(output, /Tests\s+[1-9]\d* passed/u)
      return
    }
    const { code, output, stdout } = await node(file)
    assert.strictEqual(code, 0, output)
    assert.deepStrictEqual(stdout.split("\n").slice(0, -1), prints, output)
  })
})
