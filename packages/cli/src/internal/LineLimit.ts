/**
 * Bounds the lines that peers cause: some at once for each network and for all together, and then a few per second. The rest
 * is counted, and the count is printed.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberHandle from "effect/FiberHandle"
import type * as Scope from "effect/Scope"

/**
 * How many lines a source may cause: `burst` at once, and `perSecond` when those are used up.
 */
export interface Rate {
  /** The lines at once. At least 1. */
  readonly burst: number
  /** The lines a second afterwards. Greater than 0. */
  readonly perSecond: number
}

/**
 * The options of a limit.
 */
export interface Options {
  /** What each source may cause. */
  readonly perSource: Rate
  /** What all sources together may cause. */
  readonly overall: Rate
  /** Prints a line about lines that were left out. */
  readonly tell: (line: string) => Effect.Effect<void>
}

/**
 * A limit.
 */
export interface LineLimit {
  /** Whether a line may be printed that a source has caused. A line that may not is counted. */
  readonly admits: (source: string) => Effect.Effect<boolean>
}

/** The time from the first line that is left out to the line with the count. */
const toldAfter = Duration.seconds(10)

/** The most sources that are told apart, and the most that are named when lines were left out. */
const maxSources = 1_024
const maxNamed = 3

/** What sources beyond `maxSources` are counted as. */
const others = "others"

interface Bucket {
  readonly rate: Rate
  tokens: number
  filledAt: bigint
  leftOut: number
}

const newBucket = (rate: Rate, now: bigint): Bucket => ({ rate, tokens: rate.burst, filledAt: now, leftOut: 0 })

const refill = (bucket: Bucket, now: bigint) => {
  const { burst, perSecond } = bucket.rate
  bucket.tokens = Math.min(burst, bucket.tokens + (Number(now - bucket.filledAt) / 1e9) * perSecond)
  bucket.filledAt = now
}

/**
 * A limit for the lifetime of the scope. What is still counted when the scope closes is printed then.
 */
export const make = Effect.fnUntraced(function* (options: Options): Effect.fn.Return<LineLimit, never, Scope.Scope> {
  const sources = new Map<string, Bucket>()
  const all = newBucket(options.overall, yield* Clock.monotonicTimeNanos)
  let isAnyLeftOut = false

  const bucketOf = (source: string, now: bigint): Bucket => {
    const known = sources.get(source)
    if (known !== undefined) return known
    if (sources.size >= maxSources) forgetIdle(now)
    if (sources.size >= maxSources && source !== others) return bucketOf(others, now)
    const bucket = newBucket(options.perSource, now)
    sources.set(source, bucket)
    return bucket
  }

  /** Forgets the sources that nothing distinguishes from new ones. */
  const forgetIdle = (now: bigint) => {
    for (const [source, bucket] of sources) {
      refill(bucket, now)
      if (bucket.leftOut === 0 && bucket.tokens === bucket.rate.burst) sources.delete(source)
    }
  }

  const tellLeftOut = Effect.gen(function* () {
    isAnyLeftOut = false
    const left = Array.from(sources)
      .filter(([, { leftOut }]) => leftOut > 0)
      .map(([source, bucket]) => ({ source, bucket, count: bucket.leftOut }))
      .toSorted((a, b) => b.count - a.count)
    for (const { bucket } of left) bucket.leftOut = 0
    forgetIdle(yield* Clock.monotonicTimeNanos)
    for (const { count, source } of left.slice(0, maxNamed)) {
      yield* options.tell(`${source}: ${lines(count)} left out`)
    }
    const rest = left.slice(maxNamed)
    if (rest.length === 0) return
    const count = rest.reduce((sum, each) => sum + each.count, 0)
    yield* options.tell(`${rest.length} other ${rest.length === 1 ? "source" : "sources"}: ${lines(count)} left out`)
  })

  // Added before the timer, so that the timer is stopped first.
  yield* Effect.addFinalizer(() => Effect.suspend(() => (isAnyLeftOut ? tellLeftOut : Effect.void)))
  const timer = yield* FiberHandle.make()

  return {
    admits: Effect.fnUntraced(function* (source) {
      const now = yield* Clock.monotonicTimeNanos
      const bucket = bucketOf(source, now)
      refill(bucket, now)
      refill(all, now)
      if (bucket.tokens >= 1 && all.tokens >= 1) {
        bucket.tokens--
        all.tokens--
        return true
      }
      bucket.leftOut++
      if (!isAnyLeftOut) {
        isAnyLeftOut = true
        yield* FiberHandle.run(timer, Effect.delay(tellLeftOut, toldAfter))
      }
      return false
    })
  }
})

const lines = (count: number): string => (count === 1 ? "1 line" : `${count} lines`)
