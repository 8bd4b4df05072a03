/**
 * How fast a value arrives: a peer that sends too slowly keeps a stream for nothing.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { minRate, slowTime } from "./limits.ts"

/** The value arrives too slowly. */
export class TooSlow {
  readonly _tag = "TooSlow"
}

/** The pace of one value. While it is paused, the peer is held back, and no time passes. */
export class Pace {
  private readonly clock: Clock.Clock
  private since: number
  private bytes = 0
  private pausedAt: number | undefined = undefined

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

  pause(): void {
    this.pausedAt = this.now
  }

  resume(): void {
    if (this.pausedAt === undefined) return
    this.since += this.now - this.pausedAt
    this.pausedAt = undefined
  }

  /** Fails when the value is too slow. */
  readonly untilTooSlow: Effect.Effect<never, TooSlow> = Effect.suspend(() => {
    if (this.pausedAt !== undefined) return Effect.andThen(Effect.sleep(slowTime), this.untilTooSlow)
    const left = this.since + slowTime + (this.bytes * 1_000) / minRate - this.now
    return left <= 0 ? Effect.fail(new TooSlow()) : Effect.andThen(Effect.sleep(left), this.untilTooSlow)
  })
}
