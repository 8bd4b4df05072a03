import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as TestClock from "effect/testing/TestClock"
import * as Latency from "../src/Latency.ts"
import { MemoryNetwork } from "../src/MemoryNetwork.ts"
import * as MemoryTransport from "../src/MemoryTransport.ts"
import { connect, ramp, sameBytes, settle } from "./support/recordingSockets.ts"

/** Draws that the seed decides. */
const draws = (input: Latency.Input, count: number, seed: string) =>
  Effect.map(Random.withSeed(Effect.service(Random.Random), seed), (random) => {
    const sample = Latency.sampler(input, () => random.nextDoubleUnsafe())
    return Array.from({ length: count }, sample)
  })

const mean = (times: ReadonlyArray<number>) => times.reduce((sum, time) => sum + time, 0) / times.length

/** Rounding up adds half a millisecond on average. */
const distributions = {
  uniform: { input: Latency.uniform("20 millis", "60 millis"), mean: 40.5, least: 20, most: 60 },
  normal: { input: Latency.normal("50 millis", "10 millis"), mean: 50.5, least: 0, most: 110 },
  exponential: { input: Latency.exponential("20 millis", "30 millis"), mean: 50.5, least: 20, most: 600 },
  "of one's own": { input: Latency.make((random) => 100 * random() ** 2), mean: 33.8, least: 0, most: 100 }
}

describe("Latency", () => {
  it.effect("that is a duration is always that", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* draws("50 millis", 3, "seed"), [50, 50, 50])
      assert.deepStrictEqual(yield* draws(1.5, 1, "seed"), [1.5])
      assert.deepStrictEqual([Latency.isDistribution("50 millis"), Latency.isDistribution(50)], [false, false])
    })
  )

  describe.each(Object.entries(distributions))("%s", (_, { input, least, mean: expected, most }) => {
    it.effect("draws whole milliseconds in its range and around its mean", () =>
      Effect.gen(function* () {
        assert.isTrue(Latency.isDistribution(input))
        const times = yield* draws(input, 20_000, "seed")
        assert.closeTo(mean(times), expected, expected / 50)
        for (const time of times) {
          if (!Number.isInteger(time) || time < least || time > most) assert.fail(`${time} is out of range`)
        }
      })
    )

    it.effect("draws the same times with the same seed, and others with another", () =>
      Effect.gen(function* () {
        const times = yield* draws(input, 100, "seed")
        assert.deepStrictEqual(yield* draws(input, 100, "seed"), times)
        assert.notDeepEqual(yield* draws(input, 100, "another seed"), times)
      })
    )
  })

  it.effect("uniform has every time as likely as any other, and the longest too", () =>
    Effect.gen(function* () {
      const counts = new Map<number, number>()
      for (const time of yield* draws(Latency.uniform(0, "10 millis"), 20_000, "seed")) {
        counts.set(time, (counts.get(time) ?? 0) + 1)
      }
      for (let time = 1; time <= 10; time++) assert.closeTo(counts.get(time)!, 2_000, 200, `${time} millis`)
    })
  )

  it.effect("normal has two thirds within one deviation, and nothing below 0", () =>
    Effect.gen(function* () {
      const times = yield* draws(Latency.normal("50 millis", "10 millis"), 20_000, "seed")
      const near = times.filter((time) => time > 40 && time <= 60)
      assert.closeTo(near.length / times.length, 0.683, 0.01)
      const wide = yield* draws(Latency.normal("1 millis", "50 millis"), 1_000, "seed")
      assert.strictEqual(Math.min(...wide), 0)
      assert.isAbove(wide.filter((time) => time === 0).length, 400)
    })
  )

  it.effect("exponential is mostly short and sometimes long", () =>
    Effect.gen(function* () {
      const times = yield* draws(Latency.exponential("20 millis", "30 millis"), 20_000, "a seed")
      const longerThan = (limit: number) => times.filter((time) => time > limit).length / times.length
      // e^-1 and e^-3.
      assert.closeTo(longerThan(50), 0.368, 0.01)
      assert.closeTo(longerThan(110), 0.05, 0.01)
    })
  )

  it.effect("that is below 0, or no number, is 0", () =>
    Effect.gen(function* () {
      for (const wrong of [-5, -0.1, Number.NaN]) {
        const times = yield* draws(
          Latency.make(() => wrong),
          1,
          "seed"
        )
        assert.isTrue(Object.is(times[0], 0), String(wrong))
      }
    })
  )
})

describe("a connection with a distribution", () => {
  /** When each of 200 chunks of a stream arrives, in milliseconds, with whatever else the far end was told. */
  const transfer = (seed: string) =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const { far, near } = yield* connect()
      yield* network.setLatency(Latency.uniform(0, "1 second"))
      const stream = near.connection.openUni(0)
      const sent = ramp(20_000)
      const arrivals: Array<number> = []
      far.afterStream = (received) => {
        received.afterChunk = ((note) => (chunk: Uint8Array) => {
          note!(chunk)
          arrivals.push(received.length)
        })(received.afterChunk)
      }
      const lengths: Array<number> = []
      for (let at = 0; at < sent.length; at += 100) {
        near.write(stream, sent.subarray(at, at + 100), at + 100 === sent.length)
        yield* TestClock.adjust("10 millis")
        lengths.push(arrivals.length)
      }
      yield* TestClock.adjust("1 second")
      assert.isTrue(sameBytes(far.streams[0]!.whole, sent))
      assert.deepStrictEqual(far.streams[0]!.ends, [undefined])
      yield* settle
      return lengths
    }).pipe(Effect.provide(MemoryTransport.layerNetwork({ seed })), Effect.scoped)

  it.effect("stays in order, and is the same each time with the same seed", () =>
    Effect.gen(function* () {
      const lengths = yield* transfer("seed")
      // Chunks overtake each other on the way if anything does: some wait for earlier ones.
      assert.isAbove(new Set(lengths).size, 10)
      assert.deepStrictEqual(yield* transfer("seed"), lengths)
      assert.notDeepEqual(yield* transfer("another seed"), lengths)
    })
  )
})
