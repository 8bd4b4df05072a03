// @module-tag platform
/** A cluster of three processes over QUIC: runners die and come back, and cannot reach each other. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { cluster, type Runner, until } from "./support/runners.ts"

/** Processes take their time where others run, too. In milliseconds. */
const limit = 180_000

const counters = Array.from({ length: 100 }, (_, index) => `counter-${index}`)

/** Waits until the runners share all shards. */
const share = (runners: ReadonlyArray<Runner>) =>
  until(
    Effect.forEach(runners, ({ shards }) => shards),
    (each) => each.every((shards) => shards > 0) && each.reduce((sum, shards) => sum + shards) === 60
  )

/** Adds to every counter, from a runner. */
const addToAll = (runner: Runner) => Effect.forEach(counters, (counter) => runner.add(counter, 1), { concurrency: 50 })

/** Reads every counter, from a runner, and returns the runners that host one. */
const readAll = Effect.fnUntraced(function* (runner: Runner, expected: number) {
  const counts = yield* Effect.forEach(counters, (counter) => runner.read(counter), { concurrency: 50 })
  assert.deepStrictEqual(
    counts.map(({ value }) => value),
    counters.map(() => expected)
  )
  return new Set(counts.map(({ on }) => on))
})

it.live(
  "shares 100 entities, gives those of a runner that dies to the others, and some to one that comes back",
  () =>
    Effect.gen(function* () {
      const { runners } = yield* cluster
      const [first, second, third] = runners
      const names = (some: ReadonlyArray<Runner>) => new Set(some.map(({ name }) => name))
      yield* Effect.forEach(runners, ({ start }) => start, { concurrency: 3 })
      yield* share(runners)
      yield* Effect.forEach(runners, addToAll, { concurrency: 3 })
      for (const runner of runners) assert.deepStrictEqual(yield* readAll(runner, 3), names(runners))

      yield* third.kill
      yield* Effect.forEach([first, second], addToAll, { concurrency: 2 })
      for (const runner of [first, second]) assert.deepStrictEqual(yield* readAll(runner, 5), names([first, second]))

      yield* third.start
      yield* share(runners)
      yield* Effect.forEach(runners, addToAll, { concurrency: 3 })
      for (const runner of runners) assert.deepStrictEqual(yield* readAll(runner, 8), names(runners))
    }),
  limit
)
