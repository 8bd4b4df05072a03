/**
 * The kinds of settings. Each kind has one error message, which states the whole requirement.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import { notOneHost } from "../Address.ts"
import { durationOf } from "./arguments.ts"
import * as durationText from "./durationText.ts"

interface OfText {
  readonly message: string
  /** Reads text into the schema's input; undefined for text without a meaning. */
  readonly fromText: (text: string) => unknown
  /** The error message for text, where it differs. */
  readonly textMessage?: string
}

interface Kind<T, E> extends OfText {
  readonly schema: Schema.Codec<T, E>
}

/** The kind of each field that `optional` or `withDefault` made. */
const kinds = new WeakMap<object, OfText>()

const ofKind = <S extends object>(schema: S, kind: OfText): S => {
  kinds.set(schema, kind)
  return schema
}

/** Makes an optional field; undefined means absent. */
export const optional = <T, E>(kind: Kind<T, E>) =>
  ofKind(Schema.optionalKey(Schema.UndefinedOr(kind.schema).annotate({ message: kind.message })), kind)

/** Makes an optional field with a default. */
export const withDefault = <T, E>(kind: Kind<T, E>, value: T) =>
  ofKind(
    optional(kind).pipe(
      Schema.decodeTo(Schema.toType(kind.schema), {
        decode: SchemaGetter.withDefault(Effect.succeed(value)),
        encode: SchemaGetter.passthrough()
      })
    ),
    kind
  )

/** The texts that `Config.Boolean` accepts. */
const words: ReadonlyMap<string, boolean> = new Map([
  ...["true", "yes", "on", "1", "y"].map((word) => [word, true] as const),
  ...["false", "no", "off", "0", "n"].map((word) => [word, false] as const)
])

/** A boolean setting; as text, one of the words true, yes, on, 1 and y, or false, no, off, 0 and n. */
export const flag = {
  schema: Schema.Boolean,
  message: "must be true or false",
  fromText: (text: string) => words.get(text)
}

const numberOf = (text: string): number | undefined => (text.trim() === "" ? undefined : Number(text))

/** An integer setting from `minimum` to `maximum`, both included. */
export const integer = (minimum: number, maximum: number) => {
  const message = `must be an integer between ${minimum} and ${maximum}`
  return {
    schema: Schema.Number.check(Schema.isInt({ message }), Schema.isBetween({ minimum, maximum }, { message })),
    message,
    fromText: numberOf
  }
}

/** Makes a getter that parses the input, or fails with the kind's message. */
const parsed = <A, B>(message: string, parse: (input: A) => Option.Option<B>): SchemaGetter.Getter<B, A> =>
  SchemaGetter.transformEffect((input: A, options) =>
    Effect.mapError(Effect.fromOption(parse(input)), () => new SchemaIssue.InvalidValue({ message }, input, options))
  )

const ipMessage = `must be the IP address of one host, such as "203.0.113.7" or "2001:db8::1"`

/** Declares the input as one schema: a union would report an issue for each member. */
const IpInput = Schema.declare(
  (input): input is NetAddress.IpAddress | string => typeof input === "string" || NetAddress.isIpAddress(input),
  { message: ipMessage }
)

/** An IP address setting, as an address or as text. */
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
  message: ipMessage,
  fromText: (text: string) => text
}

/** A duration as input. Any string has the type, since the text may come from a file. */
type DurationInput = Exclude<Duration.Input, string> | string

/** Accepts any value: the decoding step rejects values that are not durations. */
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
    message,
    fromText: (text: string) => Option.getOrUndefined(Option.filter(durationText.fromText(text), isEnough)),
    textMessage: `needs a unit, such as "30 seconds", "500ms" or "2s", and must be ${least}`
  }
}

/** A duration setting of 0 or more. */
export const duration = time("0 or more", (duration) => !Duration.isNegative(duration))

/** A duration for a timer, for which 0 is invalid. */
export const positiveDuration = time("more than 0", Duration.isPositive)

/** A positive duration. In text, `off` means an infinite one. */
export const interval = {
  ...positiveDuration,
  fromText: (text: string) =>
    text.trim().toLowerCase() === "off" ? Duration.infinity : positiveDuration.fromText(text),
  textMessage: `${positiveDuration.textMessage}, or off`
}

const texts = Schema.Record(Schema.String, Schema.String)

/** Makes a schema that decodes settings from texts. */
export const fromText = <T extends object, E>(
  settings: Schema.Codec<T, E> & { readonly fields: Readonly<Record<string, object>> }
) =>
  texts.pipe(
    Schema.decodeTo(settings, {
      decode: SchemaGetter.transformEffect((given: Readonly<Record<string, string>>) => {
        const read: Record<string, unknown> = {}
        for (const [name, field] of Object.entries(settings.fields)) {
          const text = given[name]
          const kind = kinds.get(field)
          if (text === undefined || kind === undefined) continue
          read[name] = kind.fromText(text)
          if (read[name] === undefined) {
            const message = kind.textMessage ?? kind.message
            return Effect.fail(new SchemaIssue.Pointer([name], new SchemaIssue.InvalidValue({ message }, text)))
          }
        }
        return Effect.succeed(read as E)
      }),
      encode: SchemaGetter.forbidden(() => "settings are not written as text")
    })
  )
