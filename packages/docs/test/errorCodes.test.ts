/** The table of error codes in the documents is that of the module. */
import { assert, it } from "vitest"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import { read } from "./markdown.ts"

it("wire.md has the error codes of ErrorCode, each with what it means", () => {
  const rows = [...read("docs/wire.md").matchAll(/^\| (\d+) +\| `(\w+)` +\| (.*) \|$/gmu)]
  const documented = rows.map(([, code, name]) => [name!, Number(code)] as const)
  const exported = Object.entries(ErrorCode).filter(([, value]) => typeof value === "number")
  assert.deepStrictEqual(new Map<string, unknown>(documented), new Map<string, unknown>(exported))
  assert.strictEqual(documented.length, exported.length)
  for (const [, code, , meaning] of rows) assert.match(meaning!, /\w{3}/u, code)
})
