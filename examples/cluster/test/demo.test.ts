// @module-tag platform
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"

// The program as it is built.
const demo = fileURLToPath(new URL("../dist/demo.js", import.meta.url))

const run = Effect.callback<{ readonly error: unknown; readonly stdout: string; readonly stderr: string }>((resume) => {
  const child = execFile(process.execPath, [demo], { timeout: 500_000 }, (error, stdout, stderr) => {
    resume(Effect.succeed({ error, stdout, stderr }))
  })
  return Effect.sync(() => void child.kill())
})

const fruits = ["apples", "pears", "plums", "quinces", "cherries", "medlars"]

it.live(
  "the demo ends by itself, and loses no number and no parcel although a runner dies",
  () =>
    Effect.gen(function* () {
      const { error, stderr, stdout } = yield* run
      assert.deepStrictEqual({ error, stderr }, { error: null, stderr: "" }, stdout)
      const told = (number: number, runners: string) =>
        fruits.map((fruit) => `counter ${fruit} is ${number} on ${runners}\n`).join("")
      const text = [
        ...["Ann", "Bob", "Cid"].map((name) => `${name} is [a-z2-7]{52}\n`),
        `\n.*\n${told(3, "(Ann|Bob|Cid)")}`,
        `\n.*\n${told(4, "(Ann|Bob)")}`,
        "\n.*\nparcel books was packed by (Ann|Bob|Cid) and delivered by (Ann|Bob)\n"
      ].join("")
      assert.match(stdout, new RegExp(`^${text}$`, "u"))
    }),
  540_000
)
