import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as TestClock from "effect/testing/TestClock"
import { LogLimit, maxLines, maxLinesPerIp } from "../../src/internal/logLimit.ts"
import { PeerPolicy } from "../../src/PeerPolicy.ts"
import { raw } from "../support/bareSockets.ts"
import { logged } from "../support/logs.ts"
import { endpoint, onNetwork, settle } from "../support/memoryEndpoints.ts"
import { address, bytes } from "../support/values.ts"

const ip = (text: string) => address(`${text}:1`).address

describe("the lines that peers cause in the log", () => {
  const makeAt = Effect.fnUntraced(function* (level: "Debug" | "Warn") {
    const run = Effect.runForkWith(yield* Effect.context())
    return new LogLimit({ level, background: (effect) => void run(effect) })
  })

  const make = makeAt("Warn")

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

  it.effect("at the level Debug have a number at that level, too", () =>
    Effect.gen(function* () {
      const { lines } = yield* logged(
        Effect.gen(function* () {
          const limit = yield* makeAt("Debug")
          for (let i = 0; i <= maxLinesPerIp; i++) limit.log(ip("10.0.0.1"), Effect.logDebug(`line ${i}`))
          yield* TestClock.adjust("1 second")
        }).pipe(Effect.provideService(References.MinimumLogLevel, "Debug"))
      )
      assert.strictEqual(lines.at(-1), "Debug: 1 further lines about peers were left out")
    })
  )

  it.effect("at the level Debug leave those of warnings their limit", () =>
    Effect.gen(function* () {
      const { lines } = yield* logged(
        Effect.scoped(
          Effect.gen(function* () {
            let asked = 0
            const policy = () => (asked++ === 0 ? Effect.succeed(true) : Effect.die("no list"))
            yield* Effect.provideService(endpoint("10.0.0.2:2"), PeerPolicy, policy)
            const stranger = yield* raw("10.0.0.1:1")
            const connection = yield* stranger.dial("10.0.0.2:2")
            yield* settle
            for (let i = 0; i <= maxLinesPerIp; i++)
              connection.openUni(0).write(bytes("no frame at all"), true, () => {})
            yield* settle
            yield* stranger.dial("10.0.0.2:2")
            yield* settle
            yield* TestClock.adjust("10 seconds")
          })
        )
      )
      assert.lengthOf(lines, 1)
      assert.match(lines[0]!, /^Warn: the PeerPolicy failed/u)
    }).pipe(onNetwork)
  )
})
