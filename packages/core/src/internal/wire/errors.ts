/**
 * Makes the errors of encoding and decoding.
 */
import { SerializationError } from "../../SendError.ts"
import * as args from "../arguments.ts"

/** Checks for a number that can be a size, in bytes. */
export const size = args.check("must be a number", (value) => typeof value === "number" && !Number.isNaN(value))

/** Makes the error of an argument that is not bytes. */
export const notBytesError = (name: string, given: unknown): SerializationError =>
  new SerializationError({ detail: args.notBytes(name, given) })

/** Checks an argument of a function that returns a value instead of an effect. */
export const argumentError = (name: string, check: args.Check, given: unknown): SerializationError | undefined => {
  const detail = args.problemWith(check, given)
  return detail === undefined ? undefined : new SerializationError({ detail: `${name} ${detail}` })
}

/** Makes the detail of the error for a message that is too large. Both lengths are in bytes. */
export const oversized = (length: number, maximum: number): string =>
  `a message of ${length} bytes is larger than the maximum of ${maximum}`
