// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"

// The package as it is installed: this test needs a build.
const script = fileURLToPath(new URL("./programs/exchange.mjs", import.meta.url))

/** Runs the script to its end. One that does not end by itself is killed, which shows as a signal. */
const run = (mode: string) =>
  Effect.callback<{ readonly code: unknown; readonly signal: unknown; readonly output: string }>((resume) => {
    const child = execFile(process.execPath, [script, mode], { timeout: 20_000 }, (error, stdout, stderr) => {
      resume(Effect.succeed({ code: error?.code ?? 0, signal: error?.signal ?? null, output: stdout + stderr }))
    })
    return Effect.sync(() => void child.kill())
  })

describe("a process", () => {
  for (const [mode, name, output] of [
    ["exchange", "ends by itself after its endpoints were closed", "hello\n"],
    ["closed", "ends by itself when the scope closes in the middle of dials and sends", "left\n"],
    ["interrupted", "ends by itself after dials and sends were interrupted", "left\n"]
  ] as const) {
    it.live(name, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* run(mode), { code: 0, signal: null, output })
      })
    )
  }
})
