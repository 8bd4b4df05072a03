/**
 * Why something is not encoded, or was not decoded.
 */
import { SerializationError } from "../../SendError.ts"
import * as args from "../arguments.ts"

/** A number that is meant as a size. */
export const amount = args.check("must be a number", (value) => typeof value === "number" && !Number.isNaN(value))

export const noBytes = (name: string, given: unknown): SerializationError =>
  new SerializationError({ detail: args.notBytes(name, given) })

/** What is wrong with an argument, for functions that return values and not effects. */
export const wrong = (name: string, check: args.Check, given: unknown): SerializationError | undefined => {
  const detail = args.problemWith(check, given)
  return detail === undefined ? undefined : new SerializationError({ detail: `${name} ${detail}` })
}

export const oversized = (length: number, maximum: number): string =>
  `a message of ${length} bytes is larger than the maximum of ${maximum}`
