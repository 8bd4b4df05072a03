/**
 * The error of callers without types that pass a wrong argument, and the checks that find one.
 *
 * A function fails with an error of its own where it has one: `SerializationError` for a payload, `InvalidAddress` for a peer,
 * `EndpointConfigError` for the options of an endpoint. `InvalidArgument` is for all other arguments. The error type of a
 * function omits it where the argument's type rules it out: only callers without types get it there.
 *
 * Packages that build on this one use the same checks.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as args from "./internal/arguments.ts"

/**
 * An argument has the wrong type or value. `argument` names it, such as `options.priority`; `detail` says what was expected
 * and what was given.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class InvalidArgument extends Schema.TaggedError<InvalidArgument>("@qp2p/core/InvalidArgument")(
  "InvalidArgument",
  { argument: Schema.String, detail: Schema.String }
) {
  override get message() {
    return `${this.argument} ${this.detail}`
  }
}

/**
 * A check of one value. Returns what the value must be, in words that follow its name; undefined when the value passes.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Check = args.Check

/**
 * The checks of an object's fields, by name.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Fields = args.Fields

/**
 * Checks an argument. Returns the error, or undefined when the argument passes.
 *
 * @stability unstable
 * @category checking
 * @since 0.1.0
 */
export const ofValue = (argument: string, value: unknown, check: Check): InvalidArgument | undefined => {
  const detail = args.problemWith(check, value)
  return detail === undefined ? undefined : new InvalidArgument({ argument: nameOf(argument), detail })
}

const nameOf = (argument: unknown): string => (typeof argument === "string" ? argument : args.show(argument))

/**
 * Checks an object that may have these fields and no others. Returns the error, or undefined when the object passes.
 *
 * @stability unstable
 * @category checking
 * @since 0.1.0
 */
export const ofRecord = (argument: string, value: unknown, fields: Fields): InvalidArgument | undefined =>
  named(argument, args.problemOf(value, fields))

/**
 * Checks an object that must have these fields and may have others. Returns the error, or undefined when the object passes.
 *
 * @stability unstable
 * @category checking
 * @since 0.1.0
 */
export const ofFields = (argument: string, value: unknown, fields: Fields): InvalidArgument | undefined =>
  named(argument, args.problemIn(value, fields))

const named = (argument: string, problem: args.Problem | undefined): InvalidArgument | undefined => {
  if (problem === undefined) return undefined
  const { path, detail } = problem
  return new InvalidArgument({ argument: path === "" ? nameOf(argument) : `${nameOf(argument)}.${path}`, detail })
}

/**
 * Checks options as `ofRecord` does; undefined passes.
 *
 * @stability unstable
 * @category checking
 * @since 0.1.0
 */
export const ofOptions = (value: unknown, fields: Fields, argument = "options"): InvalidArgument | undefined =>
  value === undefined ? undefined : ofRecord(argument, value, fields)

/**
 * Fails with an `InvalidArgument` that the error type omits, since only callers without types can get it.
 *
 * @stability unstable
 * @category checking
 * @since 0.1.0
 */
export const untyped = (error: InvalidArgument): Effect.Effect<never> =>
  // @effect-diagnostics-next-line unsafeEffectTypeAssertion:off
  Effect.fail(ofValue("error", error, isInvalidArgument) ?? error) as Effect.Effect<never>

const isInvalidArgument = args.check("must be an InvalidArgument", (value) => value instanceof InvalidArgument)

/**
 * Runs `body`, unless `problem` returns an error; then fails with it as `untyped` does.
 *
 * @stability unstable
 * @category checking
 * @since 0.1.0
 */
export const unless = <A, E, R>(
  problem: () => InvalidArgument | undefined,
  body: () => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const wrong = ofValue("problem", problem, args.func) ?? ofValue("body", body, args.func) ?? problem()
    return wrong === undefined ? body() : untyped(wrong)
  })

export {
  /**
   * Checks for a number from a minimum to a maximum.
   *
   * @stability unstable
   * @category checks
   * @since 0.1.0
   */
  between,
  /**
   * Checks for a `Uint8Array`.
   *
   * @stability unstable
   * @category checks
   * @since 0.1.0
   */
  bytes,
  /**
   * Makes a check from a predicate and from the words for what it asks.
   *
   * @stability unstable
   * @category checks
   * @since 0.1.0
   */
  check,
  /**
   * Checks for a duration of 0 or more.
   *
   * @stability unstable
   * @category checks
   * @since 0.1.0
   */
  duration,
  /**
   * Checks for an `Effect`.
   *
   * @stability unstable
   * @category checks
   * @since 0.1.0
   */
  effect,
  /**
   * Checks for a boolean.
   *
   * @stability unstable
   * @category checks
   * @since 0.1.0
   */
  flag,
  /**
   * Checks for a function.
   *
   * @stability unstable
   * @category checks
   * @since 0.1.0
   */
  func,
  /**
   * Checks for an `InetAddress`; text does not pass.
   *
   * @stability unstable
   * @category checks
   * @since 0.1.0
   */
  inetAddress,
  /**
   * Checks for an integer from a minimum to a maximum.
   *
   * @stability unstable
   * @category checks
   * @since 0.1.0
   */
  integer,
  /**
   * Checks for an array.
   *
   * @stability unstable
   * @category checks
   * @since 0.1.0
   */
  list,
  /**
   * Checks for a number, including NaN and infinities.
   *
   * @stability unstable
   * @category checks
   * @since 0.1.0
   */
  number,
  /**
   * Checks for one of some values.
   *
   * @stability unstable
   * @category checks
   * @since 0.1.0
   */
  oneOf,
  /**
   * Makes a check that undefined passes.
   *
   * @stability unstable
   * @category checks
   * @since 0.1.0
   */
  optional,
  /**
   * Checks for a duration of more than 0.
   *
   * @stability unstable
   * @category checks
   * @since 0.1.0
   */
  positiveDuration,
  /**
   * Tells whether a value is a plain object: not an array, Map, Date, Effect, Promise or address.
   *
   * @stability unstable
   * @category checks
   * @since 0.1.0
   */
  isRecord,
  /**
   * Describes a value in a few words on one line.
   *
   * @stability unstable
   * @category checks
   * @since 0.1.0
   */
  show,
  /**
   * Checks for a string.
   *
   * @stability unstable
   * @category checks
   * @since 0.1.0
   */
  text
} from "./internal/arguments.ts"
