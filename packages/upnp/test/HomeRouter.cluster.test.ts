// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"

// It runs what is built.
const script = fileURLToPath(new URL("programs/cluster.mjs", import.meta.url))

const run = Effect.callback<readonly [unknown, string]>((resume) => {
  const child = execFile(process.execPath, [script], { timeout: 150_000 }, (error, stdout, stderr) => {
    resume(Effect.succeed([error?.code ?? error?.signal ?? 0, stdout + stderr]))
  })
  return Effect.sync(() => void child.kill())
})

describe("workers of node:cluster", () => {
  it.live(
    "ask a router from ports of their own, so that an answer reaches the one that asked",
    () =>
      Effect.gen(function* () {
        const lines = "conversations have their own\nsearches have their own\n"
        assert.deepStrictEqual(yield* run, [0, lines])
      }),
    180_000
  )
})
