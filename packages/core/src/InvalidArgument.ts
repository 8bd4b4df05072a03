/**
 * What callers without types are told when they hand over something else than was asked for.
 *
 * Functions whose errors have a variant for it fail with that: `SerializationError` for what is to be sent, `InvalidAddress`
 * for whom to send it to, `EndpointConfigError` for how an endpoint starts. `InvalidArgument` is for the rest. Where no value of
 * the right type can be wrong, the type of the function does not have it: only callers without types come to see it there.
 *
 * The checks are here for packages that build on this one.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as args from "./internal/arguments.ts"

/**
 * An argument is not what was asked for. `argument` names it, such as `options.priority`; `detail` says what was asked for
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
 * What is asked of a value, in words that follow its name, if the value is not that.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Check = args.Check

/**
 * What is asked of each field of an object. It may have no others.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Fields = args.Fields

/**
 * What is wrong with an argument, if anything is.
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
 * What is wrong with an object, if anything is.
 *
 * @stability unstable
 * @category checking
 * @since 0.1.0
 */
export const ofRecord = (argument: string, value: unknown, fields: Fields): InvalidArgument | undefined =>
  named(argument, args.problemOf(value, fields))

/**
 * What is wrong with an object that must have these fields, and may have others.
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
 * As `ofRecord`, where undefined will do.
 *
 * @stability unstable
 * @category checking
 * @since 0.1.0
 */
export const ofOptions = (value: unknown, fields: Fields, argument = "options"): InvalidArgument | undefined =>
  value === undefined ? undefined : ofRecord(argument, value, fields)

/**
 * Fails with an error that no caller with types can come to see, so that the type does not have it.
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
 * Runs `body` unless one of these is wrong: see `untyped`.
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
   * An address as a value; text will not do.
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
   * Whatever number it is.
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
   * Left out and undefined are the same.
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
   * Whether it is an object of fields: no list, map or date, nothing that has to be run or awaited first.
   *
   * @stability unstable
   * @category checks
   * @since 0.1.0
   */
  isRecord,
  /**
   * What was given, in a few words that fit on a line.
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
