/**
 * The names of protocols: which are valid, and their bytes.
 */
import { type Check, check, problemWith } from "../arguments.ts"
import { encodeText, isWellFormed } from "../text.ts"

/** The most bytes of a name. */
export const maxNameLength = 255

const isName = (value: unknown): boolean =>
  typeof value === "string" &&
  value.length > 0 &&
  value.length <= maxNameLength &&
  isWellFormed(value) &&
  (value.length * 3 <= maxNameLength || encodeText(value).length <= maxNameLength)

/** Checks for the name of a protocol. */
export const protocolName: Check = check(`must be a text of 1 to ${maxNameLength} bytes of UTF-8`, isName)

/** Returns what is wrong with a name; undefined when it is valid. */
export const problemOfName = (value: unknown): string | undefined => problemWith(protocolName, value)
