import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Timeline from "../../../src/internal/network/timeline.ts"
import { settle } from "../../support/recordingSockets.ts"

const make = Effect.map(Timeline.make, (timeline) => {
  const log: Array<string> = []
  const note = (delay: number, what: string) => timeline.schedule(delay, () => log.push(`${what} ${timeline.now()}`))
  return { timeline, log, note }
})

describe("Timeline", () => {
  it.effect("runs what is due now on the next turn, in order, and not before", () =>
    Effect.gen(function* () {
      const { log, note, timeline } = yield* make
      for (const [delay, what] of [
        [0, "a"],
        [-5, "b"]
      ] as const) {
        note(delay, what)
      }
      timeline.schedule(0, () => {
        note(0, "d")
        log.push("c")
      })
      assert.deepStrictEqual(log, [])
      yield* settle
      assert.deepStrictEqual(log, ["a 0", "b 0", "c", "d 0"])
    })
  )

  it.effect("runs by time, and in the order of scheduling when the time is the same", () =>
    Effect.gen(function* () {
      const { log, note } = yield* make
      for (const [delay, what] of [
        [30, "e"],
        [10, "a"],
        [20, "c"],
        [10, "b"],
        [20, "d"]
      ] as const) {
        note(delay, what)
      }
      yield* TestClock.adjust("9 millis")
      assert.deepStrictEqual(log, [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(log, ["a 10", "b 10"])
      note(10, "d as well")
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(log.slice(2), ["c 20", "d 20", "d as well 20", "e 30"])
    })
  )

  it.effect("runs what was scheduled on the way at its time, in one adjustment", () =>
    Effect.gen(function* () {
      const { log, note, timeline } = yield* make
      const again = (count: number) => {
        log.push(`${count} ${timeline.now()}`)
        if (count < 5) timeline.schedule(0.25, () => again(count + 1))
      }
      timeline.schedule(1, () => again(1))
      note(1.625, "between")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(log, ["1 1", "2 1.25", "3 1.5", "between 1.625", "4 1.75", "5 2"])
    })
  )

  it.effect("does not run what was cancelled, or what is never due", () =>
    Effect.gen(function* () {
      const { log, note } = yield* make
      const [now, later] = [note(0, "now"), note(10, "later")]
      note(Number.POSITIVE_INFINITY, "never")
      note(20, "last")
      now()
      later()
      yield* TestClock.adjust("1000 days")
      assert.deepStrictEqual(log, ["last 20"])
    })
  )

  it.effect("stops with its scope", () =>
    Effect.gen(function* () {
      const { log } = yield* Effect.scoped(
        Effect.tap(make, ({ note }) =>
          Effect.sync(() => {
            note(10, "after the end")
          })
        )
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(log, [])
    })
  )
})
