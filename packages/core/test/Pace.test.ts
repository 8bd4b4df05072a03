import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { Pace, TooSlow } from "../src/Pace.ts"
import { settle } from "./support/memoryEndpoints.ts"

const begun = Effect.gen(function* () {
  const pace = new Pace(yield* Clock.Clock)
  const waiting = yield* Effect.forkChild(Effect.flip(pace.untilTooSlow))
  yield* settle
  const after = (seconds: number) =>
    Effect.map(Effect.andThen(TestClock.adjust(seconds * 1_000), settle), () => waiting.pollUnsafe() !== undefined)
  return { after, pace }
})

describe("the pace of what arrives", () => {
  it.effect("is too slow with less than 1 KiB a second, after 30 s", () =>
    Effect.gen(function* () {
      const { after, pace } = yield* begun
      assert.isFalse(yield* after(29))
      pace.onBytes(10 * 1_024)
      assert.isFalse(yield* after(10))
      assert.strictEqual(pace.left, 1_000)
      assert.isTrue(yield* after(1))
      assert.deepStrictEqual(yield* Effect.flip(pace.untilTooSlow), new TooSlow())
    })
  )

  it.effect("does not count the time in which this side does not read", () =>
    Effect.gen(function* () {
      const { after, pace } = yield* begun
      assert.isFalse(yield* after(20))
      pace.pause()
      // A second pause does not lose the time of the first.
      assert.isFalse(yield* after(1_000))
      pace.pause()
      assert.isFalse(yield* after(1_000))
      assert.strictEqual(pace.left, 10_000)
      pace.resume()
      pace.resume()
      assert.strictEqual(pace.left, 10_000)
      // The wait looks again at the end of its sleep.
      assert.isTrue(yield* after(40))
    })
  )
})
