/**
 * The flags for what is taken from peers: the size and the number of files, the free space, and the rate.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as FileLimits from "./FileLimits.ts"
import * as Flags from "./Flags.ts"
import * as Format from "./Format.ts"

const units: Record<string, number> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40
}

/**
 * Parses a number of bytes: `100MB`, `1.5 GB`, `512KiB`, `0`. None for a number without a unit, except 0, because the unit
 * would be a guess.
 *
 * @stability unstable
 * @category parsing
 * @since 0.1.0
 */
export const parseSize = (input: string): Option.Option<number> => {
  const match = /^(\d{1,15}(?:\.\d{1,15})?) ?([kmgt]?i?b)?$/iu.exec(input.trim())
  const unit = match === null ? undefined : match[2] === undefined ? 0 : units[match[2].toLowerCase()]
  if (unit === undefined) return Option.none()
  const count = Number(match?.[1])
  if (unit === 0 && count !== 0) return Option.none()
  const size = Math.round(count * unit)
  return Number.isSafeInteger(size) ? Option.some(size) : Option.none()
}

const size = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar(metavar),
    Flag.withDescription(description),
    Flag.filterMap(parseSize, () => "Expected a size such as 100MB, 1.5GB or 512KiB")
  )

const { keepFree, maxFiles, minRate } = FileLimits.defaults

/**
 * The flags.
 *
 * @stability unstable
 * @category flags
 * @since 0.1.0
 */
export const flags = {
  maxSize: size("max-size", "SIZE", "Refuse files that are larger (default: none)").pipe(Flag.optional),
  maxFiles: Flags.wholeNumber("max-files", {
    description: `Refuse files while the directory holds this many, whoever made them (default ${maxFiles})`,
    min: 1,
    max: 1_000_000_000
  }).pipe(Flag.optional),
  keepFree: size(
    "keep-free",
    "SIZE",
    `Keep this much of the file system free, and refuse what does not fit (default ${Format.bytes(keepFree)})`
  ).pipe(Flag.optional),
  minRate: size(
    "min-rate",
    "SIZE",
    `Drop a file that comes with fewer bytes a second, over 30 s; 0 for a sender that may pause (default ${Format.bytes(minRate)})`
  ).pipe(Flag.optional)
} as const

/**
 * The values of the flags.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Input {
  /** The largest file, in bytes. */
  readonly maxSize: Option.Option<number>
  /** The most entries of the directory. */
  readonly maxFiles: Option.Option<number>
  /** The bytes that stay free. */
  readonly keepFree: Option.Option<number>
  /** The fewest bytes a second. */
  readonly minRate: Option.Option<number>
}

/**
 * The limits that the flags determine.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const limits = (input: Input): FileLimits.Input => ({
  maxSize: Option.getOrUndefined(input.maxSize),
  maxFiles: Option.getOrUndefined(input.maxFiles),
  keepFree: Option.getOrUndefined(input.keepFree),
  minRate: Option.getOrUndefined(input.minRate)
})

/**
 * Fails for a flag that has no effect: any of them without a directory, and the two about the directory when the content goes
 * to standard output.
 *
 * @stability unstable
 * @category validation
 * @since 0.1.0
 */
export const validate = (
  input: Input,
  out: "Directory" | "StandardOutput" | "Nowhere"
): Effect.Effect<void, CliError.ValidationError> => {
  const ofDirectory = Option.isSome(input.maxFiles)
    ? "--max-files"
    : Option.isSome(input.keepFree)
      ? "--keep-free"
      : undefined
  const ofFiles = Option.isSome(input.maxSize) ? "--max-size" : Option.isSome(input.minRate) ? "--min-rate" : undefined
  const fail = (message: string) => Effect.fail(new CliError.ValidationError({ message }))
  if (out === "Nowhere") {
    const idle = ofFiles ?? ofDirectory
    return idle === undefined ? Effect.void : fail(`${idle} needs --out: without it no file is taken`)
  }
  return out === "StandardOutput" && ofDirectory !== undefined
    ? fail(`${ofDirectory} needs a directory: with --out - there is none`)
    : Effect.void
}
