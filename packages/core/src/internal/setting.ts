/**
 * Kinds of settings. Whatever is wrong with a value, there is one reason, and it says all that is asked of the value.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import { notOneHost } from "../Address.ts"
import { durationOf } from "./arguments.ts"

interface Kind<T, E> {
  readonly schema: Schema.Codec<T, E>
  readonly message: string
}

/** Left out and undefined are the same. */
export const optional = <T, E>({ message, schema }: Kind<T, E>) =>
  Schema.optionalKey(Schema.UndefinedOr(schema).annotate({ message }))

export const withDefault = <T, E>(kind: Kind<T, E>, value: T) =>
  optional(kind).pipe(
    Schema.decodeTo(Schema.toType(kind.schema), {
      decode: SchemaGetter.withDefault(Effect.succeed(value)),
      encode: SchemaGetter.passthrough()
    })
  )

export const flag = { schema: Schema.Boolean, message: "must be true or false" }

export const integer = (minimum: number, maximum: number) => {
  const message = `must be an integer between ${minimum} and ${maximum}`
  return {
    schema: Schema.Number.check(Schema.isInt({ message }), Schema.isBetween({ minimum, maximum }, { message })),
    message
  }
}

/** Turns what is accepted into the value, or fails with the kind's reason. */
const parsed = <A, B>(message: string, parse: (input: A) => Option.Option<B>): SchemaGetter.Getter<B, A> =>
  SchemaGetter.transformEffect((input: A, options) =>
    Effect.mapError(Effect.fromOption(parse(input)), () => new SchemaIssue.InvalidValue({ message }, input, options))
  )

const ipMessage = `must be the IP address of one host, such as "203.0.113.7" or "2001:db8::1"`

/** As one declaration: a union would give the reasons of its members. */
const IpInput = Schema.declare(
  (input): input is NetAddress.IpAddress | string => typeof input === "string" || NetAddress.isIpAddress(input),
  { message: ipMessage }
)

export const ip = {
  schema: IpInput.pipe(
    Schema.decodeTo(Schema.IpAddress, {
      decode: parsed(ipMessage, (input) =>
        Option.filter(
          typeof input === "string" ? Result.getSuccess(NetAddress.ipFromString(input)) : Option.some(input),
          (address) => notOneHost(NetAddress.toCanonical(address)) === undefined
        )
      ),
      encode: SchemaGetter.transform(NetAddress.formatIp)
    })
  ),
  message: ipMessage
}

/** Any string will do: it may come from a file. */
type DurationInput = Exclude<Duration.Input, string> | string

/** What is no duration is found when it is read. */
const DurationInput = Schema.declare((input): input is DurationInput => input !== undefined)

const time = (least: string, isEnough: (duration: Duration.Duration) => boolean) => {
  const message = `must be ${least}, as a duration such as "30 seconds" or in milliseconds`
  return {
    schema: DurationInput.pipe(
      Schema.decodeTo(Schema.Duration, {
        decode: parsed(message, (input) => Option.filter(durationOf(input), isEnough)),
        encode: SchemaGetter.transform((duration) =>
          Duration.isFinite(duration) ? Duration.toMillis(duration) : "Infinity"
        )
      })
    ),
    message
  }
}

export const duration = time("0 or more", (duration) => !Duration.isNegative(duration))

/** For what some timer counts down, so that 0 makes no sense. */
export const positiveDuration = time("more than 0", Duration.isPositive)

const text = Schema.optionalKey(Schema.String.annotate({ message: "must be a single value" }))

/** For sources where everything is text. A setting whose default is a boolean takes the words of `Config.Boolean`. */
export const fromText = <T extends object, E>(
  settings: Schema.Codec<T, E> & { readonly fields: Record<string, unknown> },
  defaults: T
) =>
  Schema.Struct(Record.map(settings.fields, () => text)).pipe(
    Schema.decodeTo(settings, {
      decode: SchemaGetter.transform(
        (texts) =>
          Record.map(texts as Record<string, string>, (text, name) =>
            typeof defaults[name as keyof T] === "boolean" ? (words.get(text) ?? text) : numberOr(text)
          ) as E
      ),
      encode: SchemaGetter.forbidden(() => "settings are not written as text")
    })
  )

const words: ReadonlyMap<string, boolean> = new Map([
  ...["true", "yes", "on", "1", "y"].map((word) => [word, true] as const),
  ...["false", "no", "off", "0", "n"].map((word) => [word, false] as const)
])

const numberOr = (text: string): number | string => {
  const number = Number(text)
  return text.trim() === "" || Number.isNaN(number) ? text : number
}
