/**
 * The values of typed messages as JSON, by their schemas.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { SerializationError } from "../../SendError.ts"
import { firstIssue } from "../schemaIssue.ts"
import { decodeText, encodeText, isWellFormed } from "../text.ts"

/** Encodes and decodes the values of one schema. */
export interface ValueCodec<A> {
  /** Encodes a value. Fails when the schema, or the limit, refuses it. */
  readonly encode: (value: A) => Effect.Effect<Uint8Array, SerializationError>
  /** Decodes bytes. Fails with what is wrong with them. Also a schema that throws fails. */
  readonly decode: (bytes: Uint8Array) => Effect.Effect<A, string>
}

/** Makes the codec of a schema. `what` names its values. */
export const codecOf = <S extends Schema.Constraint>(
  what: string,
  schema: S,
  maxSize: number,
  context: Context.Context<S["DecodingServices"] | S["EncodingServices"]>
): ValueCodec<S["Type"]> => {
  const json = Schema.toCodecJson(schema)
  const encode = Schema.encodeUnknownEffect(json)
  const decode = Schema.decodeUnknownEffect(json)
  const provided = <A, E>(effect: Effect.Effect<A, E, S["DecodingServices"] | S["EncodingServices"]>) =>
    Effect.updateContext(effect, (current: Context.Context<never>) => Context.merge(context, current))
  const refused = (detail: string) => new SerializationError({ detail: `the ${what} cannot be encoded: ${detail}` })
  return {
    encode: (value) =>
      settled(provided(Effect.suspend(() => encode(value)))).pipe(
        Effect.flatMap((encoded) => Effect.fromResult(toText(encoded))),
        Effect.mapError(refused),
        Effect.flatMap((text) => {
          const bytes = encodeText(text)
          if (bytes.length <= maxSize) return Effect.succeed(bytes)
          return Effect.fail(
            new SerializationError({
              detail: `the ${what} takes ${bytes.length} bytes as JSON, and at most ${maxSize} are sent`
            })
          )
        })
      ),
    decode: (bytes) =>
      Effect.flatMap(Effect.fromResult(fromText(bytes)), (encoded) =>
        settled(provided(Effect.suspend(() => decode(encoded))))
      )
  }
}

/** Turns every failure of a schema into text. A schema that throws has a defect, which a value may cause. */
const settled = <A, R>(effect: Effect.Effect<A, Schema.SchemaError, R>): Effect.Effect<A, string, R> =>
  Effect.catchCause(effect, (cause) => {
    if (Cause.hasInterrupts(cause)) return Effect.failCause(cause as Cause.Cause<never>)
    const error = Cause.squash(cause)
    if (!Schema.isSchemaError(error)) return Effect.fail(`the schema failed: ${String(error)}`)
    const { detail, path } = firstIssue(error.issue)
    return Effect.fail(path === "" ? detail : `${path}: ${detail}`)
  })

const toText = (encoded: unknown): Result.Result<string, string> => {
  try {
    const text: string | undefined = JSON.stringify(encoded)
    if (text === undefined) return Result.fail("it has no JSON")
    // JSON escapes lone surrogates.
    return isWellFormed(text) ? Result.succeed(text) : Result.fail("its JSON has no UTF-8")
  } catch (error) {
    return Result.fail(String(error))
  }
}

const fromText = (bytes: Uint8Array): Result.Result<unknown, string> => {
  const text = decodeText(bytes)
  if (text === undefined) return Result.fail("it is not UTF-8")
  try {
    return Result.succeed(JSON.parse(text))
  } catch {
    return Result.fail("it is not JSON")
  }
}
