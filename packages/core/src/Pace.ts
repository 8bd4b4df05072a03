/**
 * How fast something arrives from a peer. A peer that sends too slowly would keep a stream, and its memory, for nothing.
 *
 * Typed messages and the RPC server use it for their streams.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { minRate, slowTime } from "./internal/messages/limits.ts"

/**
 * What is awaited arrives too slowly: less than 1 KiB a second in the mean, after 30 s.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class TooSlow {
  /** Tells it from other errors. */
  readonly _tag = "TooSlow"
}

/**
 * The pace of one message or request, from when it is made. While it is paused, the peer is held back, and no time passes.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export class Pace {
  private readonly clock: Clock.Clock
  private since: number
  private bytes = 0
  private pausedAt: number | undefined = undefined

  /** The clock gives the time. */
  constructor(clock: Clock.Clock) {
    this.clock = clock
    this.since = this.now
  }

  private get now(): number {
    return Number(this.clock.monotonicTimeNanosUnsafe()) / 1_000_000
  }

  /** So many bytes have arrived. */
  readonly onBytes = (bytes: number): void => {
    this.bytes += bytes
  }

  /** This side reads no more for now. */
  pause(): void {
    this.pausedAt ??= this.now
  }

  /** This side reads again. */
  resume(): void {
    if (this.pausedAt === undefined) return
    this.since += this.now - this.pausedAt
    this.pausedAt = undefined
  }

  /** How long the peer has to send more, in milliseconds; 0 or less when it is too slow. */
  get left(): number {
    return this.since + slowTime + (this.bytes * 1_000) / minRate - (this.pausedAt ?? this.now)
  }

  /** Fails when what is awaited is too slow. */
  readonly untilTooSlow: Effect.Effect<never, TooSlow> = Effect.suspend(() => {
    if (this.pausedAt !== undefined) return Effect.andThen(Effect.sleep(slowTime), this.untilTooSlow)
    const { left } = this
    return left <= 0 ? Effect.fail(new TooSlow()) : Effect.andThen(Effect.sleep(left), this.untilTooSlow)
  })
}
