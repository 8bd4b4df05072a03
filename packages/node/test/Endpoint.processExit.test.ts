// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { limit } from "./support/peerProcess.ts"

// The package as it is installed: this test needs a build.
const script = fileURLToPath(new URL("./programs/exchange.mjs", import.meta.url))

/** How long a process may take to end when it has left its endpoints, in milliseconds. */
const timeToEnd = 20_000

/**
 * Runs the script to its end. One that does not end by itself is killed, which shows as a signal. The time that it takes to start,
 * which is long on a busy machine, does not count: that begins with what the script says.
 */
const run = (mode: string) =>
  Effect.callback<{ readonly code: unknown; readonly signal: unknown; readonly output: string }>((resume) => {
    const child = execFile(process.execPath, [script, mode], (error, stdout, stderr) => {
      clearTimeout(timer)
      resume(Effect.succeed({ code: error?.code ?? 0, signal: error?.signal ?? null, output: stdout + stderr }))
    })
    let timer: NodeJS.Timeout | undefined = undefined
    child.stdout!.once("data", () => {
      timer = setTimeout(() => void child.kill(), timeToEnd)
    })
    return Effect.sync(() => {
      clearTimeout(timer)
      child.kill()
    })
  })

describe("a process", () => {
  for (const [mode, name, output] of [
    ["exchange", "ends by itself after its endpoints were closed", "hello\n"],
    ["closed", "ends by itself when the scope closes in the middle of dials and sends", "left\n"],
    ["interrupted", "ends by itself after dials and sends were interrupted", "left\n"]
  ] as const) {
    it.live(
      name,
      () =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* run(mode), { code: 0, signal: null, output })
        }),
      limit
    )
  }
})
