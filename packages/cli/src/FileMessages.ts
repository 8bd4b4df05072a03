/**
 * The messages of one file over one bidirectional stream.
 *
 * The sender opens the stream and sends messages in this order:
 *
 * 1. A header in JSON: `{ "qp2p": "file/1", "name": "photo.jpg", "size": 123456, "end": "<32 hexadecimal digits>" }`.
 * `size` is missing when it is unknown, as for standard input. `end` is random for each transfer, and may be missing
 * when there is a size.
 *
 * 2. The content in messages of any length (`FileTransfer.chunkSize` here), `size` bytes in total; no message for an empty file.
 *
 * 3. A trailer in JSON: `{ "end": "<that of the header>", "sha256": "<64 hexadecimal digits>" }`. A message of at most
 * `maxControlSize` bytes that contains `end` is the trailer, wherever it arrives; without `end`, the message after
 * `size` bytes is.
 *
 * In place of the trailer, and at any time, the sender may give up and say why: `{ "end": "…", "error": "…" }`.
 *
 * The receiver answers once with a result in JSON: `{ "ok": true, "sha256": "…" }` when the file has its final name, or
 * `{ "ok": false, "error": "…" }`. A refusal may come at any time, and then the sender stops. No text for the other
 * side contains a local path.
 *
 * No part is retried or resumed: a transfer succeeds as a whole or leaves nothing behind.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/**
 * The maximum size of a header, trailer or result, in bytes.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const maxControlSize = 8 * 1024

const End = Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-f]{32}$/u)))

const Sha256 = Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-f]{64}$/u)))

/**
 * The first message. `name` is the sender's choice and untrusted; `size` is in bytes.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const Header = Schema.Struct({
  qp2p: Schema.Literal("file/1"),
  name: Schema.String,
  size: Schema.optionalKey(
    Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })))
  ),
  end: Schema.optionalKey(End)
})

/**
 * The last message of the sender. `sha256` is the hash of the content.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const Trailer = Schema.Struct({ end: Schema.optionalKey(End), sha256: Sha256 })

/**
 * The last message of a sender that gives up. `error` is the sender's text and untrusted.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const Abandonment = Schema.Struct({ end: End, error: Schema.String })

/**
 * The receiver's answer. `error` is the receiver's text and untrusted.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const Result = Schema.Union([
  Schema.Struct({ ok: Schema.Literal(true), sha256: Sha256 }),
  Schema.Struct({ ok: Schema.Literal(false), error: Schema.String })
])

/**
 * The first message.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Header = typeof Header.Type

/**
 * The last message of the sender.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Trailer = typeof Trailer.Type

/**
 * The last message of a sender that gives up.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Abandonment = typeof Abandonment.Type

/**
 * The receiver's answer.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Result = typeof Result.Type

const codec = <A, I>(schema: Schema.Codec<A, I>) => {
  const json = Schema.fromJsonString(schema)
  const decodeText = Schema.decodeUnknownOption(json)
  const encodeText = Schema.encodeUnknownSync(json)
  return {
    encode: (value: A): Uint8Array => new TextEncoder().encode(encodeText(value)),
    decode: (payload: Uint8Array): Option.Option<A> =>
      payload.length > maxControlSize ? Option.none() : decodeText(new TextDecoder().decode(payload))
  }
}

/**
 * Encodes and decodes `Header`. Decoding other bytes returns none.
 *
 * @stability unstable
 * @category codecs
 * @since 0.1.0
 */
export const headerCodec = codec(Header)

/**
 * Encodes and decodes `Trailer`. Decoding other bytes returns none.
 *
 * @stability unstable
 * @category codecs
 * @since 0.1.0
 */
export const trailerCodec = codec(Trailer)

/**
 * Encodes and decodes `Abandonment`. Decoding other bytes returns none.
 *
 * @stability unstable
 * @category codecs
 * @since 0.1.0
 */
export const abandonmentCodec = codec(Abandonment)

/**
 * Encodes and decodes `Result`. Decoding other bytes returns none.
 *
 * @stability unstable
 * @category codecs
 * @since 0.1.0
 */
export const resultCodec = codec(Result)
