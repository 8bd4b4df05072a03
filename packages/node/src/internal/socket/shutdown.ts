/**
 * The last moments of a socket.
 */
import * as Effect from "effect/Effect"
import type { Socket } from "./socket.ts"
import { farewellTick, farewellTicks } from "../tunables.ts"

/**
 * Gives every connection the time that its close frame needs. On the system's clock, as QUIC is: a test that stands
 * still must be able to close its scope.
 */
export const farewell = (socket: Socket): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (!socket.beginClose()) return resume(Effect.void)
    let left = farewellTicks
    const timer = setInterval(() => {
      left -= 1
      if (left > 0 && !socket.quiet) return
      clearInterval(timer)
      resume(Effect.void)
    }, farewellTick)
  })
