/**
 * A clock that moves from one sleeper to the next, and from each only when everything has come about that it has set
 * off. `TestClock` waits for what it has woken, and not for what that wakes by way of a promise.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

interface Sleeper {
  readonly due: number
  readonly wake: () => void
}

/** More than ever wake up in the longest time that a program lets pass. */
const tooMany = 100_000

export class ManualClock {
  private now = 0
  /** The next to wake comes last. */
  private readonly sleepers: Array<Sleeper> = []

  /** A clock for some of the fibers; `count` says how many of them sleep. */
  face(count: { sleeping: number }): Clock.Clock {
    const currentTimeMillisUnsafe = () => this.now
    const currentTimeNanosUnsafe = () => BigInt(Math.round(this.now * 1_000_000))
    return {
      currentTimeMillisUnsafe,
      currentTimeNanosUnsafe,
      monotonicTimeNanosUnsafe: currentTimeNanosUnsafe,
      currentTimeMillis: Effect.sync(currentTimeMillisUnsafe),
      currentTimeNanos: Effect.sync(currentTimeNanosUnsafe),
      monotonicTimeNanos: Effect.sync(currentTimeNanosUnsafe),
      sleep: (duration) =>
        Effect.callback<void>((resume) => {
          const millis = Duration.toMillis(duration)
          if (millis <= 0) return resume(Effect.void)
          count.sleeping++
          const sleeper: Sleeper = {
            due: this.now + millis,
            wake: () => {
              count.sleeping--
              resume(Effect.void)
            }
          }
          const index = this.sleepers.findIndex(({ due }) => due <= sleeper.due)
          this.sleepers.splice(index === -1 ? this.sleepers.length : index, 0, sleeper)
          return Effect.sync(() => {
            const index = this.sleepers.indexOf(sleeper)
            if (index === -1) return
            this.sleepers.splice(index, 1)
            count.sleeping--
          })
        })
    }
  }

  async pass(millis: number, drain: () => Promise<unknown>): Promise<void> {
    const end = this.now + millis
    await drain()
    let wakes = 0
    for (let next = this.sleepers.at(-1); next !== undefined && next.due <= end; next = this.sleepers.at(-1)) {
      this.sleepers.pop()
      if (wakes++ > tooMany) throw new Error("something wakes up again and again, in no time")
      this.now = next.due
      next.wake()
      await drain()
    }
    this.now = end
  }
}
