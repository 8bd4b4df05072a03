/**
 * What Ctrl-C means. For a command that serves until it is told to stop, that is how it ends well; for one that was
 * still at work it is an interruption.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as MutableRef from "effect/MutableRef"
import { exitCodes } from "./Failure.ts"

/**
 * The exit code of the process when SIGINT or SIGTERM ends it; 130 unless a command says otherwise.
 *
 * @category references
 * @since 0.1.0
 */
export const OnSignal: Context.Reference<MutableRef.MutableRef<number>> = Context.Reference("@qp2p/cli/OnSignal", {
  defaultValue: () => MutableRef.make<number>(exitCodes.interrupted)
})

/**
 * Says that the running command is meant to be ended by a signal: the exit code is then 0.
 *
 * @category running
 * @since 0.1.0
 */
export const endsWell: Effect.Effect<void> = Effect.gen(function* () {
  MutableRef.set(yield* OnSignal, exitCodes.ok)
})
