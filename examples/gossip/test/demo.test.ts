// @module-tag platform
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"

// The program as it is built.
const demo = fileURLToPath(new URL("../dist/demo.js", import.meta.url))

const run = Effect.callback<{ readonly error: unknown; readonly stdout: string; readonly stderr: string }>((resume) => {
  const child = execFile(process.execPath, [demo], { timeout: 25_000 }, (error, stdout, stderr) => {
    resume(Effect.succeed({ error, stdout, stderr }))
  })
  return Effect.sync(() => void child.kill())
})

it.live("the demo ends by itself, and by then everybody knows everything", () =>
  Effect.gen(function* () {
    const { error, stderr, stdout } = yield* run
    assert.deepStrictEqual({ error, stderr }, { error: null, stderr: "" }, stdout)
    const everything = "that the bridge is closed, that the ferry goes at noon, that there are two seats left"
    const lines = stdout.trimEnd().split("\n")
    for (const name of ["Ann", "Bob", "Cid"]) {
      const self = lines.shift() ?? ""
      assert.match(self, new RegExp(`^${name} is [a-z2-7]{52}@127\\.0\\.0\\.1:[1-9]\\d*$`, "u"))
    }
    assert.deepStrictEqual(
      lines,
      ["Ann", "Bob", "Cid"].map((name) => `${name} knows ${everything}`)
    )
  })
)
