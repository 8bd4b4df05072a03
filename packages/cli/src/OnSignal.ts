/**
 * What Ctrl-C means, and what it means that nobody reads standard output any more. For a command that serves until it is
 * told to stop, that is how it ends well; for one that was still at work it is an interruption.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { exitCodes } from "./Failure.ts"

/**
 * What a process does about its standard output when that fails: it ends (`NeedsReader`); it goes on when the reader is
 * gone, since its work is elsewhere (`OutlivesReader`); or the command sees to it, since what it writes there is a file
 * (`Content`).
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type OutputUse = "NeedsReader" | "OutlivesReader" | "Content"

/**
 * How the process ends when it is not the command that ends it.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Ending {
  /** The exit code after SIGINT, SIGTERM or SIGHUP; without one it is 128 and the number of the signal. */
  exitCode: number | undefined
  output: OutputUse
}

/**
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (): Ending => ({ exitCode: undefined, output: "NeedsReader" })

/**
 * The ending of this process, which the command that runs may change.
 *
 * @stability unstable
 * @category references
 * @since 0.1.0
 */
export const OnSignal: Context.Reference<Ending> = Context.Reference("@qp2p/cli/OnSignal", { defaultValue: make })

/**
 * Says that the running command is meant to be ended by a signal: the exit code is then 0.
 *
 * @stability unstable
 * @category running
 * @since 0.1.0
 */
export const endsWell: Effect.Effect<void> = Effect.map(OnSignal, (ending) => {
  ending.exitCode = exitCodes.ok
})

/**
 * Says what the running command uses standard output for.
 *
 * @stability unstable
 * @category running
 * @since 0.1.0
 */
export const outputIs = (use: OutputUse): Effect.Effect<void> =>
  Effect.map(OnSignal, (ending) => {
    ending.output = use
  })
