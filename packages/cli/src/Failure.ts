/**
 * How a command fails: one line for people, one exit code for scripts.
 *
 * @since 0.1.0
 */
import type * as PlatformError from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { visible } from "./Format.ts"

/**
 * What the exit codes mean.
 *
 * @category constants
 * @since 0.1.0
 */
export const exitCodes = { ok: 0, failed: 1, usage: 2, unknown: 3, interrupted: 130 } as const

/**
 * The exit codes as a sentence for help texts.
 *
 * @category constants
 * @since 0.1.0
 */
export const exitCodesHelp =
  "Exit codes: 0 done; 1 it did not work (unreachable, lost, refused, hash mismatch); 2 wrong usage or settings."

/**
 * A command could not do what it was asked. `reason` is one line.
 *
 * @category errors
 * @since 0.1.0
 */
export class CommandFailed extends Schema.TaggedError<CommandFailed>("@qp2p/cli/Failure/CommandFailed")(
  "CommandFailed",
  { reason: Schema.String, exitCode: Schema.Int }
) {
  override get message() {
    return this.reason
  }
}

/**
 * A command has said everything itself, and nothing is left but the exit code.
 *
 * @category errors
 * @since 0.1.0
 */
export class Ended extends Schema.TaggedError<Ended>("@qp2p/cli/Failure/Ended")("Ended", { exitCode: Schema.Int }) {}

/**
 * Folds a text into one line and makes control characters visible: a reason may quote what a peer sent.
 *
 * @category formatting
 * @since 0.1.0
 */
export const oneLine = (text: string): string => visible(text.replace(/\s+/gu, " ").trim())

/**
 * Says in a few words what is wrong with a file. `path` is the one the user gave.
 *
 * @category formatting
 * @since 0.1.0
 */
export const describeFileError = (path: string, error: PlatformError.PlatformError): string => {
  switch (error.reason._tag) {
    case "NotFound":
      return `${path}: no such file or directory`
    case "PermissionDenied":
      return `${path}: permission denied`
    case "AlreadyExists":
      return `${path}: already exists`
    default: {
      const cause = error.reason.cause
      return `${path}: ${Predicate.isError(cause) ? cause.message : error.message}`
    }
  }
}

/**
 * Turns any expected error into a `CommandFailed`. Wrong settings give exit code 2, everything else 1.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromError = (error: { readonly _tag: string; readonly message: string }): CommandFailed =>
  error instanceof CommandFailed
    ? error
    : new CommandFailed({
        reason: oneLine(error.message === "" ? error._tag : error.message),
        exitCode: error._tag === "ConfigError" ? exitCodes.usage : exitCodes.failed
      })
