// @module-tag slow
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { type Rule, Environment } from "../src/internal/conformance/rule.ts"
import { groups } from "../src/internal/conformance/rules.ts"
import { broken, type Changes } from "./support/breaks/brokenTransport.ts"
import { breaks } from "./support/breaks/breaks.ts"
import { multihomed } from "./support/multihomedNetwork.ts"

/** On the test's clock, so that no rule is broken because the machine is busy. */
const outcome = Effect.fnUntraced(function* (rule: Rule, changes: Changes) {
  const environment: Environment = { address: "127.0.0.1:0", limit: Duration.seconds(10), lossy: false, multihomed }
  const fiber = yield* Effect.forkChild(
    rule.run.pipe(
      Effect.scoped,
      Effect.provide(broken(changes), { local: true }),
      Effect.provideService(Environment, environment),
      Effect.exit
    )
  )
  while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("50 millis")
  return yield* Fiber.join(fiber)
})

describe("the conformance suite", () => {
  it("has a break for each rule", () => {
    const titles = groups.flatMap(({ rules }) => rules.map(({ title }) => title))
    assert.deepStrictEqual(Object.keys(breaks).toSorted(), titles.toSorted())
    assert.strictEqual(new Set(titles).size, titles.length)
  })

  for (const group of groups) {
    describe(`rules about ${group.title}`, () => {
      for (const rule of group.rules) {
        const { changes, how, says } = breaks[rule.title] ?? { how: "?", changes: () => ({}), says: /none/u }
        it.effect(`${rule.title}: not so where ${how}`, () =>
          Effect.gen(function* () {
            const whole = yield* outcome(rule, {})
            if (Exit.isFailure(whole))
              assert.fail(`it fails on a transport that is whole: ${Cause.pretty(whole.cause)}`)
            const exit = yield* outcome(rule, changes())
            if (Exit.isSuccess(exit)) return assert.fail("it holds")
            assert.match(Cause.pretty(exit.cause), says)
          })
        )
      }
    })
  }
})
