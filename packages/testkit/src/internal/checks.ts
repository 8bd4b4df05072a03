/** Checks of arguments from callers without types. */
import * as InvalidArgument from "@qp2p/core/InvalidArgument"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"

const { check, isRecord, optional } = InvalidArgument

/** Accepts every value: it is checked where it is used. */
export const anything = () => undefined

/** Checks for a name: a string or a number. */
export const named = check(
  "must be a string or a number",
  (value) => typeof value === "string" || typeof value === "number"
)

/** Checks for the seed of a random generator: a string or a number. */
export const seed = optional(named)

/** Makes a check for a number of at least `least`; infinity passes and NaN does not. */
export const atLeast = (least: number) =>
  check(`must be a number of at least ${least}`, (value) => typeof value === "number" && value >= least)

const record = check("must be an object", isRecord)

/** Checks for an object with the shape of a gateway: it has a `nat`. */
export const gateway = check(
  "must be a Gateway",
  (value) => isRecord(value) && typeof value["nat"] === "object" && value["nat"] !== null
)

/** The checks of a host of a simulated network, by field. */
export const host: InvalidArgument.Fields = { address: anything, gateway: optional(gateway) }

/** Checks a direction: an object with `from` and `to`. A bare place names no direction. */
export const wrongDirection = (direction: unknown) =>
  InvalidArgument.ofOptions(direction, { from: anything, to: anything }, "direction")

/** Checks for an object of any shape. */
export const object = record

/** Effect's parsers read properties of their input, which can throw for values from callers without types. */
export const parsed = <A, I>(
  parse: (input: I) => Result.Result<A, NetAddress.NetAddressError>,
  input: I
): Result.Result<A, NetAddress.NetAddressError> => {
  try {
    return parse(input)
  } catch (cause) {
    const message = `expected an address, got ${InvalidArgument.show(input)}`
    return Result.fail(new NetAddress.NetAddressError({ message, input, cause }))
  }
}

/** A text for error messages, for any value. */
export const shown = (input: unknown): string =>
  typeof input === "string" || NetAddress.isInetAddress(input) ? String(input) : InvalidArgument.show(input)
