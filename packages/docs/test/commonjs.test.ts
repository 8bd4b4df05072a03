/**
 * The packages are ES modules, and every version of Node that they run on loads them with `require` as well.
 */
// @module-tag platform
import { assert, it } from "vitest"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { documents } from "./markdown.ts"

const first = documents.find(({ path }) => path === "README.md")!.blocks[0]!.code
const program = first.replaceAll(/^import (\{.+\}) from (".+")$/gmu, "const $1 = require($2)")

it("the first program of README runs in CommonJS, with what is built", () => {
  assert.notMatch(program, /^import /mu)
  const { output, status, stdout } = spawnSync(process.execPath, ["--input-type=commonjs", "--eval", program], {
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    encoding: "utf8",
    timeout: 30_000
  })
  assert.strictEqual(stdout, "marco\n", output.join(""))
  assert.strictEqual(status, 0, output.join(""))
})
