/**
 * What a process does on signals, and when its standard output can no longer be written. A signal is the regular end of
 * a command that serves until it is stopped, and an interruption of any other command.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { exitCodes } from "./Failure.ts"

/**
 * What a process does when its standard output fails.
 *
 * - `NeedsReader`: it ends.
 * - `OutlivesReader`: it continues when the reader is gone, because its work is elsewhere.
 * - `Content`: the command handles the failure, because it writes a file there.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type OutputUse = "NeedsReader" | "OutlivesReader" | "Content"

/**
 * How the process ends when a signal or its output ends it.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Ending {
  /** The exit code after SIGINT, SIGTERM or SIGHUP; undefined stands for 128 plus the number of the signal. */
  exitCode: number | undefined
  /** What the command uses standard output for. */
  output: OutputUse
}

/**
 * The ending of a command that neither serves nor writes content: an exit code by signal, and `NeedsReader`.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (): Ending => ({ exitCode: undefined, output: "NeedsReader" })

/**
 * The ending of this process. The running command may change it.
 *
 * @stability unstable
 * @category references
 * @since 0.1.0
 */
export const OnSignal: Context.Reference<Ending> = Context.Reference("@qp2p/cli/OnSignal", { defaultValue: make })

/**
 * Declares that a signal is the regular end of the running command: the exit code is then 0.
 *
 * @stability unstable
 * @category running
 * @since 0.1.0
 */
export const endsWell: Effect.Effect<void> = Effect.map(OnSignal, (ending) => {
  ending.exitCode = exitCodes.ok
})

/**
 * Declares what the running command uses standard output for.
 *
 * @stability unstable
 * @category running
 * @since 0.1.0
 */
export const outputIs = (use: OutputUse): Effect.Effect<void> =>
  Effect.map(OnSignal, (ending) => {
    ending.output = use
  })
