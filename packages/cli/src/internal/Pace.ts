/**
 * The pace of incoming files: the time that counts against their senders, and which of them are too slow.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Format from "../Format.ts"

/**
 * The time of all senders: the monotonic time, less what the receiver itself has lost.
 */
export interface SenderTime {
  /** In nanoseconds. */
  readonly now: Effect.Effect<bigint>
  /** Runs what handles one message. What that takes beyond a second is lost. */
  readonly handling: <A, E, R>(handle: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/**
 * The longest time in which the receiver handles a message that counts against senders. Beyond it the disk is to blame, and
 * what has arrived waits for its turn.
 */
const longestStep = 1_000_000_000n

/**
 * The time of the senders of one receiver.
 */
export const makeSenderTime = (): SenderTime => {
  let lostNanos = 0n
  return {
    now: Effect.map(Clock.monotonicTimeNanos, (now) => now - lostNanos),
    handling: Effect.fnUntraced(function* (handle) {
      const before = yield* Clock.monotonicTimeNanos
      const result = yield* handle
      const took = (yield* Clock.monotonicTimeNanos) - before
      if (took > longestStep) lostNanos += took - longestStep
      return result
    })
  }
}

/**
 * The pace of one file. Each `now` is a `SenderTime`.
 */
export interface Pace {
  /** The time since the file has begun. */
  readonly elapsed: (now: bigint) => Duration.Duration
  /** The average since then, in bytes a nanosecond. */
  readonly rate: (now: bigint) => number
  /** A message of the file was handled. */
  readonly heard: (now: bigint) => void
  /** Why the file is too slow, if it is. A new span for the minimum rate begins when one is over. */
  readonly slowness: (now: bigint) => string | undefined
}

/**
 * The pace of a file that begins `now`, and of which `received` returns the bytes so far.
 */
export const make = (
  now: bigint,
  received: () => number,
  limits: {
    /** How long a file may be silent, and the length of a span for the minimum rate. */
    readonly stallTimeout: Duration.Duration
    /** The fewest bytes a second. */
    readonly minRate: number
  }
): Pace => {
  const { minRate, stallTimeout } = limits
  const stallNanos = BigInt(Math.round(Duration.toMillis(stallTimeout) * 1_000_000))
  const startedAt = now
  let lastHeard = now
  // When the current span for the minimum rate began, and what had arrived by then.
  let spanStart = now
  let spanReceived = 0
  return {
    elapsed: (now) => Duration.nanos(now - startedAt),
    rate: (now) => received() / Math.max(1, Number(now - startedAt)),
    heard: (now) => {
      lastHeard = now
    },
    slowness: (now) => {
      if (now - lastHeard >= stallNanos) return `nothing arrived for ${Format.duration(stallTimeout)}`
      if (now - spanStart < stallNanos) return undefined
      const rate = (received() - spanReceived) / (Number(now - spanStart) / 1e9)
      spanStart = now
      spanReceived = received()
      return rate < minRate ? `slower than ${Format.bytes(minRate)}/s for ${Format.duration(stallTimeout)}` : undefined
    }
  }
}
