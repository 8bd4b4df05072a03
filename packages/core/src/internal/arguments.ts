/**
 * Checks the arguments of callers without types, and describes wrong ones in error messages.
 *
 * No function here throws, for any value. The checks of payloads and addresses run for each message, so they test the common
 * case first. The other checks run only when a caller passes options.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import { visible } from "./text.ts"

// --- descriptions ----------------------------------------------------------------------------------------------------

/** The most characters of a text or a field's name that an error message shows. */
const longestShown = 40

/** Describes a value in a few words on one line. It never shows the values in an object, which may be secrets. */
export const show = (value: unknown): string => {
  try {
    return describe(value)
  } catch {
    return "something that cannot be inspected"
  }
}

const describe = (value: unknown): string => {
  switch (typeof value) {
    case "string":
      return `the text ${quoted(value)}`
    case "bigint":
      return `the bigint ${shortened(String(value))}`
    case "symbol":
      return "a symbol"
    case "function":
      return "a function"
    case "object":
      return value === null ? "null" : describeObject(value)
    default:
      return String(value)
  }
}

const describeObject = (value: object): string => {
  if (NetAddress.isInetAddress(value)) return `the address ${NetAddress.formatInet(value)}`
  if (Effect.isEffect(value)) return "an Effect, which has to be run first, as with `yield*`"
  if (Layer.isLayer(value)) return "a Layer"
  if (value instanceof Promise) return "a Promise, which has to be awaited first"
  if (value instanceof Error) return `the error ${quoted(value.message)}`
  if (ArrayBuffer.isView(value)) return `${article(nameOfView(value))} of ${counted(value.byteLength, "byte")}`
  if (Array.isArray(value)) return `an array of ${value.length}`
  const kind = Object.prototype.toString.call(value).slice(8, -1)
  if (kind.endsWith("ArrayBuffer")) {
    return `${article(kind)} of ${counted((value as ArrayBuffer).byteLength, "byte")}`
  }
  if (kind !== "Object") return article(kind)
  const names = Object.keys(value)
  if (names.length === 0) return "an object without fields"
  return `an object with ${shortened(names.slice(0, 4).join(", "))}${names.length > 4 ? " and more" : ""}`
}

const nameOfView = (view: ArrayBufferView): string => brandOf.call(view) ?? "DataView"

const article = (noun: string): string => `${/^[AEIO]/iu.test(noun) ? "an" : "a"} ${noun}`

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

/** Returns the beginning of a text, in quotation marks, on one line, and with its invisible characters escaped. */
export const quoted = (text: string): string => visible(JSON.stringify(shortened(text)))

const shortened = (text: string): string =>
  (text.length > longestShown ? `${text.slice(0, longestShown)}...` : text).replaceAll(/\s+/gu, " ")

/** Shortens the name of an object's key, which may have any length. */
const nameOf = (key: string): string => shortened(key)

// --- bytes -----------------------------------------------------------------------------------------------------------

/** Returns the name of a typed array's class, also for one of another realm, such as a `vm` context. */
// oxlint-disable-next-line typescript/unbound-method -- it is called with the value as `this`
const brandOf: (this: unknown) => string | undefined = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag
)!.get!

/** Tells whether a value is a `Uint8Array`, such as Node's `Buffer`, of any realm. */
export const isBytes = (value: unknown): value is Uint8Array =>
  ArrayBuffer.isView(value) && (value instanceof Uint8Array || brandOf.call(value) === "Uint8Array")

/** Makes the error message of a value that is not bytes. It does not show text, which is the application's payload. */
export const notBytes = (name: string, value: unknown): string => {
  if (typeof value === "string") {
    const hint = "encode it first, as new TextEncoder().encode(text) does"
    return `${name} must be a Uint8Array, got a text of ${counted(value.length, "character")}: ${hint}`
  }
  const isBuffer = value instanceof ArrayBuffer || (ArrayBuffer.isView(value) && !isBytes(value))
  const hint = isBuffer ? ": say which bytes, as new Uint8Array(buffer, offset, length) does" : ""
  return `${name} must be a Uint8Array, got ${show(value)}${hint}`
}

/** Tells whether the buffer of bytes was transferred, as by `postMessage`. The bytes have the length 0 then. */
export const isDetached = (bytes: Uint8Array): boolean => {
  if (bytes.length > 0) return false
  try {
    return new Uint8Array(bytes.buffer).length < 0
  } catch {
    return true
  }
}

/** Copies a payload whose buffer is resizable or shared with another thread; returns any other payload itself. */
export const copyIfVolatile = (bytes: Uint8Array): Uint8Array => {
  const { buffer } = bytes
  const isFixed = buffer instanceof ArrayBuffer && (buffer as { readonly resizable?: boolean }).resizable !== true
  return isFixed ? bytes : new Uint8Array(bytes)
}

// --- values ----------------------------------------------------------------------------------------------------------

/** Checks a value. Returns what the value must be, in words that follow its name; undefined when it passes. */
export type Check = (value: unknown) => string | undefined

/** Makes a check from a predicate. `asked` states the requirement in words that follow the name of the value. */
export const check =
  (asked: string, is: (value: unknown) => boolean): Check =>
  (value) =>
    is(value) ? undefined : asked

/** Makes a check that undefined passes. */
export const optional =
  (one: Check): Check =>
  (value) =>
    value === undefined ? undefined : one(value)

/** Runs a check. Returns what the value must be and what was given; undefined when it passes. */
export const problemWith = (one: Check, value: unknown): string | undefined => {
  let asked: string | undefined
  try {
    asked = one(value)
  } catch {
    asked = "cannot be inspected"
  }
  return asked === undefined ? undefined : `${asked}, got ${show(value)}`
}

/** Checks for a `Uint8Array`, of any realm. */
export const bytes = check("must be a Uint8Array", isBytes)

/** Checks for an `InetAddress`. Functions that also take text resolve it instead. */
export const inetAddress = check("must be an InetAddress", NetAddress.isInetAddress)

/** Checks for a boolean. */
export const flag = check("must be true or false", (value) => typeof value === "boolean")

/** Checks for a string, the empty one included. */
export const text = check("must be a string", (value) => typeof value === "string")

/** Checks for a function. */
export const func = check("must be a function", (value) => typeof value === "function")

/** Checks for an `Effect`. */
export const effect = check("must be an Effect", Effect.isEffect)

/** Checks for an array; its elements have checks of their own. */
export const list = check("must be an array", Array.isArray)

/** Checks for a message priority: any finite number, the higher the sooner. */
export const priority = check("must be a finite number", Number.isFinite)

/** Checks for a number, including NaN and infinities. */
export const number = check("must be a number", (value) => typeof value === "number")

/** Formats an expected value as source code. */
const written = (value: unknown): string => (typeof value === "string" ? JSON.stringify(value) : show(value))

/** Checks for an integer from `minimum` to `maximum`, both included. */
export const integer = (minimum: number, maximum: number): Check =>
  check(
    `must be an integer between ${written(minimum)} and ${written(maximum)}`,
    (value) => Number.isInteger(value) && (value as number) >= minimum && (value as number) <= maximum
  )

/** Checks for a UDP port, 0 included, which asks the system for a free port. */
export const port = integer(0, 65_535)

/** Checks for a number from `minimum` to `maximum`, both included, fractions allowed. */
export const between = (minimum: number, maximum: number): Check =>
  check(
    `must be a number between ${written(minimum)} and ${written(maximum)}`,
    (value) => typeof value === "number" && value >= minimum && value <= maximum
  )

/** Checks for one of `values`, compared as `Array.includes` does. */
export const oneOf = (...values: ReadonlyArray<unknown>): Check =>
  check(`must be ${values.map(written).join(" or ")}`, (value) => values.includes(value))

const units = new Set(["weeks", "days", "hours", "minutes", "seconds", "milliseconds", "microseconds", "nanoseconds"])

/** Rejects NaN and objects without a unit, which Effect reads as 0. */
const isDurationInput = (input: unknown): boolean => {
  if (typeof input === "number") return !Number.isNaN(input)
  // Effect throws for it, and to catch that costs more than the rest of a message.
  if (input === undefined) return false
  if (typeof input !== "object" || input === null || Duration.isDuration(input)) return true
  const parts = Object.entries(input)
  return (
    parts.length > 0 &&
    parts.every(([unit, amount]) => (Array.isArray(input) || units.has(unit)) && Number.isFinite(amount))
  )
}

/** Reads a `Duration.Input`; none for any other value. */
export const durationOf = (input: unknown): Option.Option<Duration.Duration> => {
  try {
    return isDurationInput(input) ? Duration.fromInput(input as Duration.Input) : Option.none()
  } catch {
    return Option.none()
  }
}

const time = (least: string, isEnough: (duration: Duration.Duration) => boolean): Check =>
  check(`must be ${least}, as a duration such as "30 seconds" or in milliseconds`, (value) =>
    Option.exists(durationOf(value), isEnough)
  )

/** Checks for a `Duration.Input` of 0 or more. */
export const duration = time("0 or more", (duration) => !Duration.isNegative(duration))

/** Checks for a `Duration.Input` of more than 0. */
export const positiveDuration = time("more than 0", Duration.isPositive)

// --- options ---------------------------------------------------------------------------------------------------------

/** The checks of an object's fields, by name. */
export type Fields = Readonly<Record<string, Check>>

/** What is wrong with an object. `path` is the field, or empty for the object itself. */
export interface Problem {
  readonly path: string
  readonly detail: string
}

/** Tells whether a value is a plain object: not an array, Map, Date, Effect, Promise or address. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" &&
  value !== null &&
  Object.prototype.toString.call(value) === "[object Object]" &&
  !Effect.isEffect(value) &&
  !NetAddress.isInetAddress(value)

/** Checks an object that may have these fields and no others. */
export const problemOf = (value: unknown, fields: Fields): Problem | undefined => {
  try {
    const unknown = isRecord(value) ? Object.keys(value).find((name) => !Object.hasOwn(fields, name)) : undefined
    if (unknown !== undefined) return { path: nameOf(unknown), detail: `is an unknown option; ${choice(fields)}` }
    return problemIn(value, fields)
  } catch {
    return { path: "", detail: "cannot be inspected" }
  }
}

/** Checks an object that must have these fields and may have others. */
export const problemIn = (value: unknown, fields: Fields): Problem | undefined => {
  try {
    if (!isRecord(value)) return { path: "", detail: `must be an object, got ${show(value)}` }
    for (const name of Object.keys(fields)) {
      const given = value[name]
      const asked = fields[name]!(given)
      if (asked !== undefined) return { path: name, detail: `${asked}, got ${show(given)}` }
    }
    return undefined
  } catch {
    return { path: "", detail: "cannot be inspected" }
  }
}

const choice = (fields: Fields): string => {
  const names = Object.keys(fields)
  const last = names.pop()
  return names.length === 0 ? `the only option is ${last}` : `the options are ${names.join(", ")} and ${last}`
}

/** Formats a problem on one line. */
export const formatProblem = (name: string, { path, detail }: Problem): string =>
  path === "" ? `${name} ${detail}` : `${name}.${path} ${detail}`

/** The options of operations that send or open a stream. */
export const priorityOptions: Fields = { priority: optional(priority) }

/** The options of `Connection.close`. */
export const closeOptions: Fields = { code: optional(number), detail: optional(text) }

/** The options of a write on a stream. */
export const streamSendOptions: Fields = { fin: optional(flag) }

/** The options of a message to a peer. */
export const sendOptions: Fields = { priority: optional(priority), retryDuration: optional(duration) }
