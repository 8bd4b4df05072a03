import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import {
  chargeStep,
  minPartialRate,
  partialAllowance,
  partialCheckInterval,
  partialStreamCost,
  slowPartialTime
} from "../../../src/internal/connection/limits.ts"
import { HeldBytes } from "../../../src/internal/connection/heldBytes.ts"
import { PartialMessages, type PartialStream } from "../../../src/internal/connection/partialMessages.ts"
import type { ConnectionStats } from "../../../src/Transport.ts"

const much = 10 * partialAllowance
const secondsOfCheck = partialCheckInterval / 1_000

/** The incomplete messages of a connection, whose peer sends and is held back as the test says. */
const setup = Effect.gen(function* () {
  const run = Effect.runForkWith(yield* Effect.context())
  const timers: Array<Fiber.Fiber<unknown, unknown>> = []
  const peer = { sent: 0, isHeldBack: false }
  const charges: Array<number> = []
  const partial = new PartialMessages(
    {
      config: { reassemblyBuffer: 2 * much },
      background: (effect) => {
        const fiber = run(effect)
        timers.push(fiber)
        return fiber
      }
    },
    {
      get isHeldBack() {
        return peer.isHeldBack
      },
      stats: () => ({ bytesReceived: peer.sent }) as ConnectionStats
    },
    new HeldBytes({ charge: (change) => charges.push(change) })
  )
  const expired: Array<string> = []
  /** A stream, which changes its bytes with `set`. */
  const stream = (name: string) => {
    let bytes = 0
    const set = (now: number) => {
      const change = now - bytes
      bytes = now
      return change === 0 || partial.change(it, change, now)
    }
    const it: PartialStream & { takes: boolean; readonly set: typeof set } = {
      takes: true,
      set,
      expire: () => {
        expired.push(name)
        set(0)
      }
    }
    return it
  }
  /** Time passes, in which the peer sends at `rate`. */
  const pass = (millis: number, rate: number) =>
    Effect.gen(function* () {
      for (let left = millis; left > 0; left -= partialCheckInterval) {
        peer.sent += rate * secondsOfCheck
        yield* TestClock.adjust(partialCheckInterval)
      }
    })
  const running = () => timers.filter((timer) => timer.pollUnsafe() === undefined).length
  return { charges, expired, partial, pass, peer, running, stream, timers }
})

describe("messages in part", () => {
  it.effect("are charged to the transport in steps, and short ones not at all", () =>
    Effect.gen(function* () {
      const { charges, stream, timers } = yield* setup
      const [a, b] = [stream("a"), stream("b")]
      for (let i = 0; i < 100; i++) {
        a.set(16_000)
        a.set(0)
      }
      assert.deepStrictEqual([charges, timers], [[], []])
      a.set(chargeStep - 1)
      b.set(1)
      assert.deepStrictEqual(charges, [chargeStep])
      a.set(3 * chargeStep + 5)
      assert.deepStrictEqual(charges, [chargeStep, 2 * chargeStep])
      a.set(0)
      b.set(0)
      assert.deepStrictEqual(charges, [chargeStep, 2 * chargeStep, -3 * chargeStep])
    })
  )

  it.effect("are refused together above the limit", () =>
    Effect.gen(function* () {
      const { stream } = yield* setup
      const [a, b] = [stream("a"), stream("b")]
      assert.isTrue(a.set(much))
      assert.isTrue(b.set(much))
      assert.isFalse(b.set(much + 1))
      assert.isTrue(b.set(much))
    })
  )

  it.effect("end when the peer sends too little for long, and not before", () =>
    Effect.gen(function* () {
      const { expired, pass, running, stream } = yield* setup
      stream("a").set(much)
      stream("b").set(1)
      yield* pass(slowPartialTime - partialCheckInterval, minPartialRate - 1)
      assert.deepStrictEqual(expired, [])
      yield* pass(partialCheckInterval, minPartialRate - 1)
      assert.deepStrictEqual(expired, ["a", "b"])
      assert.strictEqual(running(), 0)
    })
  )

  it.effect("go on for any time when the peer sends at the least rate", () =>
    Effect.gen(function* () {
      const { expired, pass, stream } = yield* setup
      stream("a").set(much)
      yield* pass(20 * slowPartialTime, minPartialRate)
      assert.deepStrictEqual(expired, [])
      yield* pass(slowPartialTime - partialCheckInterval, 1)
      yield* pass(partialCheckInterval, minPartialRate)
      yield* pass(slowPartialTime - partialCheckInterval, 1)
      assert.deepStrictEqual(expired, [])
    })
  )

  it.effect("stay when this side holds the peer back, or does not take what comes", () =>
    Effect.gen(function* () {
      const { expired, pass, peer, stream } = yield* setup
      const a = stream("a")
      a.set(much)
      peer.isHeldBack = true
      yield* pass(3 * slowPartialTime, 1)
      peer.isHeldBack = false
      a.takes = false
      yield* pass(3 * slowPartialTime, 1)
      assert.deepStrictEqual(expired, [])
      a.takes = true
      yield* pass(slowPartialTime - partialCheckInterval, 1)
      assert.deepStrictEqual(expired, [])
      yield* pass(partialCheckInterval, 1)
      assert.deepStrictEqual(expired, ["a"])
    })
  )

  it.effect("stay while nothing arrives at all: the path may be down", () =>
    Effect.gen(function* () {
      const { expired, pass, stream } = yield* setup
      stream("a").set(much)
      yield* pass(3 * slowPartialTime, 0)
      assert.deepStrictEqual(expired, [])
    })
  )

  it.effect("end when the peer sends a little now and then: silence between is no progress", () =>
    Effect.gen(function* () {
      const { expired, pass, stream } = yield* setup
      stream("a").set(much)
      const checks = slowPartialTime / partialCheckInterval
      for (let i = 1; i <= checks; i++) {
        assert.deepStrictEqual(expired, [])
        yield* pass(5 * partialCheckInterval, 0)
        yield* pass(partialCheckInterval, 1)
      }
      assert.deepStrictEqual(expired, ["a"])
    })
  )

  it.effect("stay when they are short, and run no timer then", () =>
    Effect.gen(function* () {
      const { expired, pass, running, stream } = yield* setup
      stream("a").set(partialAllowance - partialStreamCost)
      assert.strictEqual(running(), 0)
      const b = stream("b")
      b.set(1)
      assert.strictEqual(running(), 1)
      b.set(0)
      yield* pass(3 * slowPartialTime, 1)
      assert.strictEqual(running(), 0)
      assert.deepStrictEqual(expired, [])
    })
  )

  it.effect("end when they are a byte each, on many streams, that do not go on", () =>
    Effect.gen(function* () {
      const { expired, pass, stream } = yield* setup
      const many = Array.from({ length: partialAllowance / partialStreamCost }, (_, i) => `${i}`)
      for (const name of many) stream(name).set(1)
      yield* pass(slowPartialTime, 1)
      assert.deepStrictEqual(expired, many)
    })
  )

  it.effect("run no timer once the connection has ended", () =>
    Effect.gen(function* () {
      const { partial, running, stream } = yield* setup
      stream("a").set(much)
      assert.strictEqual(running(), 1)
      partial.clear()
      yield* Effect.yieldNow
      assert.strictEqual(running(), 0)
      stream("late").set(1)
      assert.strictEqual(running(), 0)
    })
  )

  it.effect("run one timer when some have ended and those that are left are still long", () =>
    Effect.gen(function* () {
      const { expired, pass, running, stream } = yield* setup
      const c = stream("c")
      c.takes = false
      c.set(much)
      for (const name of ["a", "b"]) stream(name).set(much / 4)
      yield* pass(slowPartialTime, 1)
      assert.deepStrictEqual(expired, ["a", "b"])
      assert.strictEqual(running(), 1)
    })
  )
})
