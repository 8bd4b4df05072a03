/**
 * How a command fails: one line for people, and an exit code for scripts.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as PlatformError from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { getSystemErrorMap } from "node:util"
import { printable } from "./Printable.ts"

/**
 * The exit codes of the command. `ok`: it did its work; `failed`: it did not; `usage`: the command line or a setting is
 * wrong; `unknown`: `doctor` could not find out.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const exitCodes = { ok: 0, failed: 1, usage: 2, unknown: 3 } as const

/**
 * The exit codes, as a sentence for help texts.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const exitCodesHelp =
  "Exit codes: 0 done; 1 it did not work (unreachable, lost, refused, another peer, hash mismatch); 2 wrong usage or " +
  "settings; 128 and the number of the signal when one ends it too early (130 for Ctrl-C)."

/**
 * A command could not do its work. `detail` is one line of text.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class CommandFailed extends Schema.TaggedError<CommandFailed>("@qp2p/cli/Failure/CommandFailed")(
  "CommandFailed",
  { detail: Schema.String, exitCode: Schema.Int }
) {
  override get message() {
    return this.detail
  }
}

/**
 * A command has printed everything itself, and only the exit code is left.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class Ended extends Schema.TaggedError<Ended>("@qp2p/cli/Failure/Ended")("Ended", { exitCode: Schema.Int }) {}

/**
 * Folds a text into one line, makes every character visible and cuts it after `longest` characters: a reason may quote a
 * peer.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const oneLine = (text: string, longest?: number): string => printable(text.replace(/\s+/gu, " ").trim(), longest)

const problems: Record<string, string> = {
  ENOENT: "there is no such file or directory",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EEXIST: "something of that name is there already",
  EISDIR: "it is a directory",
  ENOTDIR: "a part of the path is no directory",
  ENAMETOOLONG: "the name is too long",
  ENOSPC: "no space is left on the device",
  EDQUOT: "the quota is used up",
  EFBIG: "the file is too large",
  EROFS: "the file system is read-only",
  ELOOP: "there are too many symbolic links",
  EMFILE: "too many files are open",
  ENFILE: "too many files are open",
  EBUSY: "it is in use",
  ETXTBSY: "it is in use",
  EPIPE: "its reader has closed it",
  EIO: "the device failed"
}

const problemTags: Partial<Record<PlatformError.PlatformError["reason"]["_tag"], string>> = {
  NotFound: problems["ENOENT"]!,
  PermissionDenied: problems["EACCES"]!,
  AlreadyExists: problems["EEXIST"]!
}

const unnamedProblem = "the system reported an error"

const systemProblem = (error: unknown): string | undefined => {
  if (!Predicate.isError(error)) return undefined
  const { code, errno } = error as NodeJS.ErrnoException
  const known = code === undefined ? undefined : problems[code]
  return known ?? (errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1])
}

/**
 * Describes an error of the operating system in a few words without a path, because a peer may read them.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const fileProblem = (error: PlatformError.PlatformError): string =>
  systemProblem(error.reason.cause) ?? problemTags[error.reason._tag] ?? unnamedProblem

/**
 * Describes what could not be done and why: `cannot read a.bin: permission denied`. The text may name paths, so it must
 * not be sent to a peer.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const describeFileError = (what: string, error: PlatformError.PlatformError): string => {
  const problem = fileProblem(error)
  const { cause } = error.reason
  return `${what}: ${problem === unnamedProblem && Predicate.isError(cause) ? cause.message : problem}`
}

/**
 * Turns any expected error into a `CommandFailed`. The exit code is 2 for wrong settings, a key
 * file that cannot be used among them, and 1 for everything else.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const fromError = (error: { readonly _tag: string; readonly message: string }): CommandFailed =>
  error instanceof CommandFailed
    ? error
    : new CommandFailed({
        detail: oneLine(error.message === "" ? error._tag : error.message),
        exitCode:
          error._tag === "EndpointConfigError" || error._tag === "IdentityError" ? exitCodes.usage : exitCodes.failed
      })
