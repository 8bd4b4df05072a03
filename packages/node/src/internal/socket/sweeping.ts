/**
 * The fiber that sweeps over the connections of a socket, on Effect's clock.
 */
import * as Effect from "effect/Effect"

/** The view of the socket. */
interface Sweepable {
  /** How often to sweep, in milliseconds. */
  readonly sweepInterval: number
  readonly sweep: (elapsed: number) => void
}

/**
 * Sweeps for ever. Interrupted and run again, it goes on with the current interval, which may have become shorter. `now` is
 * monotonic, in milliseconds of Effect's clock.
 */
export const sweeping = (socket: Sweepable, now: () => number): Effect.Effect<never> => {
  let last = now()
  // The longest interval since the last sweep: time has passed in one that was interrupted, too.
  let longest = 0
  return Effect.forever(
    Effect.suspend(() => {
      const interval = socket.sweepInterval
      longest = Math.max(longest, interval)
      return Effect.map(Effect.sleep(interval), () => {
        const woken = now()
        // A process that was busy or suspended has received nothing meanwhile, and must not blame its peers for that.
        socket.sweep(Math.min(woken - last, 2 * longest))
        last = woken
        longest = 0
      })
    })
  )
}
