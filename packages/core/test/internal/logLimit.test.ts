import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { LogLimit, maxLines, maxLinesPerIp } from "../../src/internal/logLimit.ts"
import { logged } from "../support/logs.ts"
import { address } from "../support/values.ts"

const ip = (text: string) => address(`${text}:1`).address

describe("the lines that peers cause in the log", () => {
  const make = Effect.gen(function* () {
    const run = Effect.runForkWith(yield* Effect.context())
    return new LogLimit({ background: (effect) => void run(effect) })
  })

  it.effect("are few about one IP address in a second, and those about others stand beside them", () =>
    Effect.gen(function* () {
      const { lines } = yield* logged(
        Effect.gen(function* () {
          const limit = yield* make
          for (let i = 0; i < 10; i++) limit.log(ip("10.0.0.1"), Effect.logInfo(`one ${i}`))
          limit.log(ip("10.0.0.2"), Effect.logInfo("two"))
          for (let i = 1; i < 10; i++) limit.log(ip(`[2001:db8::${i}]`), Effect.logInfo(`six ${i}`))
          yield* TestClock.adjust("1 second")
          limit.log(ip("10.0.0.1"), Effect.logInfo("one again"))
          yield* TestClock.adjust("1 second")
          yield* TestClock.adjust("1 hour")
        })
      )
      const range = (name: string, from: number) =>
        Array.from({ length: maxLinesPerIp }, (_, i) => `${name} ${i + from}`)
      assert.deepStrictEqual(
        lines.map((line) => line.replace(/^\w+: /u, "")),
        [...range("one", 0), "two", ...range("six", 1), "11 further lines about peers were left out", "one again"]
      )
    })
  )

  it.effect("are bounded in total, and their number is told once", () =>
    Effect.gen(function* () {
      const { lines } = yield* logged(
        Effect.gen(function* () {
          const limit = yield* make
          for (let i = 0; i < 200; i++) limit.log(ip(`10.0.0.${i}`), Effect.logInfo(`peer ${i}`))
          yield* TestClock.adjust("1 second")
          yield* TestClock.adjust("1 hour")
        })
      )
      assert.lengthOf(lines, maxLines + 1)
      assert.strictEqual(lines.at(-1), `Warn: ${200 - maxLines} further lines about peers were left out`)
    })
  )
})
