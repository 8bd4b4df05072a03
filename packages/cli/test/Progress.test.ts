import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import { TestClock } from "effect/testing"
import * as Progress from "../src/Progress.ts"

const capture = (terminal: boolean) => {
  const written: Array<string> = []
  const layer = Stdio.layerTest({
    stderrIsTerminal: Effect.succeed(terminal),
    stderr: () => Sink.forEach((chunk: string | Uint8Array) => Effect.sync(() => written.push(String(chunk))))
  })
  return { written, layer }
}

describe("Progress", () => {
  it.effect("prints a line per quarter where there is no terminal", () => {
    const { layer, written } = capture(false)
    return Effect.gen(function* () {
      const progress = yield* Progress.make("a.bin", Option.some(400))
      for (let done = 10; done <= 400; done += 10) yield* progress.update(done)
      yield* progress.clear
      assert.deepStrictEqual(written, [
        "a.bin: 25 % (100 B of 400 B)\n",
        "a.bin: 50 % (200 B of 400 B)\n",
        "a.bin: 75 % (300 B of 400 B)\n"
      ])
    }).pipe(Effect.provide(layer))
  })

  it.effect("redraws one line on a terminal, ten times a second at most", () => {
    const { layer, written } = capture(true)
    return Effect.gen(function* () {
      const progress = yield* Progress.make("a.bin", Option.some(400))
      yield* progress.update(100)
      yield* progress.update(101)
      yield* TestClock.adjust("100 millis")
      yield* progress.update(200)
      yield* progress.clear
      yield* progress.clear
      assert.strictEqual(written.length, 3)
      assert.match(written[0] ?? "", /^\r\u001b\[2Ka\.bin .* 25 %/u)
      assert.match(written[1] ?? "", /^\r\u001b\[2Ka\.bin .* 50 %/u)
      assert.strictEqual(written[2], "\r\u001b[2K")
    }).pipe(Effect.provide(layer))
  })

  it.effect("ends the line of a bar that stays, once, and starts a new one", () => {
    const { layer, written } = capture(true)
    return Effect.gen(function* () {
      const progress = yield* Progress.make("a.bin", Option.some(400))
      yield* progress.end
      assert.deepStrictEqual(written, [])
      yield* progress.update(100)
      yield* progress.end
      yield* progress.end
      assert.deepStrictEqual(written.slice(1), ["\n"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("prints a line per tenfold when the size is unknown", () => {
    const { layer, written } = capture(false)
    return Effect.gen(function* () {
      const progress = yield* Progress.make("stdin", Option.none())
      for (let done = 0; done <= 12_000_000; done += 500_000) yield* progress.update(done)
      assert.deepStrictEqual(written, ["stdin: 1.0 MB\n", "stdin: 10.0 MB\n"])
    }).pipe(Effect.provide(layer))
  })
})
