import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { undecidedTimeout } from "../../../src/internal/connection/limits.ts"
import { UndecidedStreams } from "../../../src/internal/connection/undecidedStreams.ts"

/** The undecided streams of a connection, the timers that it has started, and the streams whose time was over. */
const setup = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const run = Effect.runForkWith(yield* Effect.context())
  const timers: Array<Fiber.Fiber<unknown, unknown>> = []
  const over: Array<string> = []
  const undecided = new UndecidedStreams({
    now: () => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000,
    background: (effect) => {
      const fiber = run(effect)
      timers.push(fiber)
      return fiber
    }
  })
  const stream = (name: string) => ({ onTimeout: () => void over.push(name) })
  const running = () => timers.filter((timer) => timer.pollUnsafe() === undefined).length
  return { over, running, stream, timers, undecided }
})

describe("the undecided streams of a connection", () => {
  it.effect("each have the same time, and share one timer", () =>
    Effect.gen(function* () {
      const { over, running, stream, undecided } = yield* setup
      assert.strictEqual(running(), 0)
      undecided.add(stream("a"))
      yield* TestClock.adjust(undecidedTimeout / 2)
      undecided.add(stream("b"))
      assert.strictEqual(running(), 1)
      yield* TestClock.adjust(undecidedTimeout / 2 - 1)
      assert.deepStrictEqual(over, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(over, ["a"])
      assert.strictEqual(running(), 1)
      yield* TestClock.adjust(undecidedTimeout / 2)
      assert.deepStrictEqual(over, ["a", "b"])
      assert.strictEqual(running(), 0)
    })
  )

  it.effect("run no timer once they are decided, or once the connection has ended", () =>
    Effect.gen(function* () {
      const { over, running, stream, undecided } = yield* setup
      const [a, b] = [stream("a"), stream("b")]
      undecided.add(a)
      undecided.add(b)
      undecided.remove(a)
      yield* Effect.yieldNow
      assert.strictEqual(running(), 1)
      undecided.remove(b)
      yield* Effect.yieldNow
      assert.strictEqual(running(), 0)
      undecided.add(a)
      undecided.add(b)
      assert.strictEqual(running(), 1)
      undecided.clear()
      yield* Effect.yieldNow
      assert.strictEqual(running(), 0)
      yield* TestClock.adjust(10 * undecidedTimeout)
      assert.deepStrictEqual(over, [])
    })
  )

  it.effect("have their time although another one's fails", () =>
    Effect.gen(function* () {
      const { over, stream, undecided } = yield* setup
      const bad = {
        onTimeout: () => {
          throw new Error("a defect of the program's pool")
        }
      }
      undecided.add(bad)
      undecided.add(stream("good"))
      yield* TestClock.adjust(undecidedTimeout + 1)
      assert.deepStrictEqual(over, ["good"])
    })
  )
})
