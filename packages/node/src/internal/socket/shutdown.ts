/**
 * The shutdown of a socket.
 */
import * as Effect from "effect/Effect"
import { shutdownCheckInterval, shutdownChecks } from "../tunables/shutdown.ts"

/** The view of the socket. */
interface Closable {
  /** Begins to close every connection. Returns false when there is none to wait for. */
  readonly beginClose: () => boolean
  /** Whether every connection has ended, and its peer has been told. */
  readonly isQuiet: boolean
}

/**
 * Closes every connection, and waits a short while until the close frames have left. It waits on the system's clock, as QUIC
 * does: a test whose clock stands still must be able to close its scope.
 */
export const shutdown = (socket: Closable): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (!socket.beginClose()) return resume(Effect.void)
    let left = shutdownChecks
    const timer = setInterval(() => {
      left -= 1
      if (left > 0 && !socket.isQuiet) return
      clearInterval(timer)
      resume(Effect.void)
    }, shutdownCheckInterval)
  })
