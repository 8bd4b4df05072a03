import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as LineLimit from "../../src/internal/LineLimit.ts"

const setup = Effect.fnUntraced(function* (
  options: { readonly burst?: number; readonly overall?: number; readonly perSecond?: number } = {}
) {
  const told: Array<string> = []
  const scope = yield* Scope.make()
  const limit = yield* LineLimit.make({
    perSource: { burst: options.burst ?? 5, perSecond: options.perSecond ?? 1 },
    overall: { burst: options.overall ?? 1_000, perSecond: 100 },
    tell: (line) => Effect.sync(() => void told.push(line))
  }).pipe(Scope.provide(scope))
  const admitted = (source: string, count: number) =>
    Effect.map(Effect.replicateEffect(limit.admits(source), count), (all) => all.filter(Boolean).length)
  return { told, admitted, close: Scope.close(scope, Exit.void) }
})

describe("LineLimit", () => {
  it.effect("admits a few of ten thousand lines of one source, and counts the rest once", () =>
    Effect.gen(function* () {
      const { admitted, close, told } = yield* setup()
      assert.strictEqual(yield* admitted("a", 10_000), 5)
      assert.strictEqual(yield* admitted("b", 3), 3)
      yield* TestClock.adjust("9 seconds")
      assert.deepStrictEqual(told, [])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(told, ["a: 9995 lines left out"])
      yield* TestClock.adjust("1 hour")
      yield* close
      assert.strictEqual(told.length, 1)
    })
  )

  it.effect("admits again as time passes, and not more than at first", () =>
    Effect.gen(function* () {
      const { admitted, close } = yield* setup()
      yield* admitted("a", 5)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* admitted("a", 10), 2)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* admitted("a", 10), 5)
      yield* close
    })
  )

  it.effect("bounds all sources together, and names the three that were cut most", () =>
    Effect.gen(function* () {
      const { admitted, close, told } = yield* setup({ overall: 7 })
      const counts = [
        yield* admitted("a", 6),
        yield* admitted("b", 5),
        yield* admitted("c", 9),
        yield* admitted("d", 7)
      ]
      assert.deepStrictEqual([...counts, yield* admitted("e", 1)], [5, 2, 0, 0, 0])
      yield* close
      assert.deepStrictEqual(told, [
        "c: 9 lines left out",
        "d: 7 lines left out",
        "b: 3 lines left out",
        "2 other sources: 2 lines left out"
      ])
    })
  )

  it.effect("tells at most 1,024 sources apart, and counts the others as one", () =>
    Effect.gen(function* () {
      const { admitted, close, told } = yield* setup({ burst: 2, overall: 100_000 })
      for (let i = 0; i < 1_024; i++) yield* admitted(`known ${i}`, 1)
      let others = 0
      for (let i = 0; i < 5_000; i++) others += yield* admitted(`new ${i}`, 1)
      assert.strictEqual(others, 2)
      yield* close
      assert.deepStrictEqual(told, ["others: 4998 lines left out"])
    })
  )

  it.effect("forgets sources that were quiet, to tell new ones apart", () =>
    Effect.gen(function* () {
      const { admitted, close, told } = yield* setup({ overall: 100_000 })
      for (let i = 0; i < 1_024; i++) yield* admitted(`old ${i}`, 1)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* admitted("new", 6), 5)
      yield* close
      assert.deepStrictEqual(told, ["new: 1 line left out"])
    })
  )
})
