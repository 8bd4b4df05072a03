/**
 * One file over one bidirectional stream.
 *
 * The sender opens the stream and sends messages in this order:
 *
 * 1. a header, JSON: `{ "qp2p": "file/1", "name": "photo.jpg", "size": 123456, "end": "<32 hexadecimal digits>" }`. The
 *    size is left out when it is not known, as of standard input. `end` is chosen at random for each transfer; it may be
 *    left out when there is a size;
 * 2. the content in messages of any length (`chunkSize` here), `size` bytes in all; none when the file is empty;
 * 3. a trailer, JSON: `{ "end": "<that of the header>", "sha256": "<64 hexadecimal digits>" }`. A message of at most
 *    `maxControlSize` bytes that names `end` is the trailer wherever it comes; without `end`, it is the message after
 *    `size` bytes.
 *
 * Instead of the trailer, and at any time, the sender may say that nothing more comes, and why: `{ "end": "…", "error": "…" }`.
 *
 * The receiver answers once, with a result, JSON: `{ "ok": true, "sha256": "…" }` when the file is in place under
 * its final name, or `{ "ok": false, "error": "…" }`. A refusal may come at any time; the sender then stops. No text
 * that one side sends the other names a path of its own.
 *
 * Nothing is retried and nothing is resumed: a transfer works as a whole or leaves nothing behind.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { BidirectionalStream } from "@qp2p/core/BidirectionalStream"
import type { ConnectionError } from "@qp2p/core/ConnectionError"
import type { RecvError } from "@qp2p/core/RecvError"
import type { SendError } from "@qp2p/core/SendError"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type * as Stdio from "effect/Stdio"
import { createHash, randomBytes } from "node:crypto"
import * as FileSource from "./FileSource.ts"
import * as Format from "./Format.ts"

/**
 * Bytes of content in a message. Large enough that a message costs nothing, small enough that a few of them do not
 * hold a stream back.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const chunkSize = FileSource.chunkSize

/**
 * Bytes that a header, trailer or result may take.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const maxControlSize = 8 * 1024

/**
 * How long either side waits for the other before it gives up.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const defaultStallTimeout: Duration.Duration = Duration.seconds(30)

const End = Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-f]{32}$/u)))

const Sha256 = Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-f]{64}$/u)))

/**
 * The first message. `name` is whatever the sender calls the file: untrusted.
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
 * The last message of the sender.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const Trailer = Schema.Struct({ end: Schema.optionalKey(End), sha256: Sha256 })

/**
 * The last message of a sender that gives up. `error` is its text: untrusted.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const Abandonment = Schema.Struct({ end: End, error: Schema.String })

/**
 * The receiver's answer.
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
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Header = typeof Header.Type

/**
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Trailer = typeof Trailer.Type

/**
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Abandonment = typeof Abandonment.Type

/**
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
 * Messages to and from their bytes; decoding yields nothing for bytes that are something else.
 *
 * @stability unstable
 * @category codecs
 * @since 0.1.0
 */
export const headerCodec = codec(Header)

/**
 * @stability unstable
 * @category codecs
 * @since 0.1.0
 */
export const trailerCodec = codec(Trailer)

/**
 * @stability unstable
 * @category codecs
 * @since 0.1.0
 */
export const abandonmentCodec = codec(Abandonment)

/**
 * @stability unstable
 * @category codecs
 * @since 0.1.0
 */
export const resultCodec = codec(Result)

/**
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export const FileUnusable = FileSource.FileUnusable

/**
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export type FileUnusable = FileSource.FileUnusable

/**
 * The receiver answered that it did not take the file. `reason` is its text: untrusted.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class TransferRefused extends Schema.TaggedError<TransferRefused>("@qp2p/cli/FileTransfer/TransferRefused")(
  "TransferRefused",
  { reason: Schema.String }
) {
  override get message() {
    return `the receiver did not take the file: ${this.reason}`
  }
}

/**
 * The receiver stopped taking the content, or did not answer after the end of it.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class TransferStalled extends Schema.TaggedError<TransferStalled>("@qp2p/cli/FileTransfer/TransferStalled")(
  "TransferStalled",
  { seconds: Schema.Number }
) {
  override get message() {
    return `the receiver did nothing for ${Format.duration(Duration.seconds(this.seconds))}`
  }
}

/**
 * The receiver confirmed other content than was sent, or answered with something that is no result.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class TransferMismatch extends Schema.TaggedError<TransferMismatch>("@qp2p/cli/FileTransfer/TransferMismatch")(
  "TransferMismatch",
  { sent: Schema.String, confirmed: Schema.OptionFromOptional(Schema.String) }
) {
  override get message() {
    return Option.isNone(this.confirmed)
      ? "the receiver's answer cannot be understood"
      : `hash mismatch: sent ${this.sent}, the receiver has ${this.confirmed.value}`
  }
}

/**
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export type TransferError =
  | FileUnusable
  | TransferRefused
  | TransferStalled
  | TransferMismatch
  | ConnectionError
  | SendError

/**
 * A file that the receiver has confirmed.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Sent {
  readonly name: string
  readonly size: number
  readonly sha256: string
  readonly elapsed: Duration.Duration
}

/**
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface SendOptions {
  /** A file, a named pipe, or `-` for standard input. */
  readonly path: string
  /** Opens the stream. Called after the file was opened, so a missing file costs no connection. */
  readonly open: Effect.Effect<BidirectionalStream, ConnectionError>
  /** Told the size once, before the first byte, and the bytes handed to the stream after each chunk. */
  readonly onStart?: ((header: Header) => Effect.Effect<void>) | undefined
  readonly onProgress?: ((sent: number) => Effect.Effect<void>) | undefined
  /** 30 s by default. */
  readonly stallTimeout?: Duration.Input | undefined
}

/** A receiver that does not hear why nothing more comes sees that soon enough. */
const abandonTimeout = Duration.seconds(5)

/** Reset code for a transfer that this side gave up. */
const abandoned = 1

/**
 * Sends a file and waits until the receiver has confirmed its SHA-256. Holds a few chunks in memory, whatever the size
 * of the file: reading waits for the stream. A file that becomes shorter or longer in the meantime, or cannot be read to
 * its end, fails on both sides: the receiver is told. A failure or an interruption resets the stream, so that the receiver
 * does not keep half a file.
 *
 * @stability unstable
 * @category sending
 * @since 0.1.0
 */
export const send = Effect.fnUntraced(function* (
  options: SendOptions
): Effect.fn.Return<Sent, TransferError, FileSystem.FileSystem | Path.Path | Stdio.Stdio> {
  const stallTimeout = Duration.fromInputUnsafe(options.stallTimeout ?? defaultStallTimeout)
  const orStalled = Effect.timeoutOrElse({
    duration: stallTimeout,
    orElse: () => Effect.fail(new TransferStalled({ seconds: Duration.toSeconds(stallTimeout) }))
  })

  return yield* Effect.scoped(
    Effect.gen(function* () {
      const source = yield* FileSource.open(options.path)
      const end = randomBytes(16).toString("hex")
      const header: Header = {
        qp2p: "file/1",
        name: source.name,
        ...(Option.isSome(source.size) ? { size: source.size.value } : {}),
        end
      }

      const stream = yield* options.open
      yield* Effect.addFinalizer((exit) => (exit._tag === "Success" ? Effect.void : stream.send.reset(abandoned)))
      if (options.onStart !== undefined) yield* options.onStart(header)
      const startedAt = yield* Clock.monotonicTimeNanos
      let sent = 0

      const upload = Effect.gen(function* () {
        const hash = createHash("sha256")
        yield* orStalled(stream.send.sendMessage(headerCodec.encode(header)))
        for (;;) {
          const chunk = yield* source.next
          if (Option.isNone(chunk)) break
          hash.update(chunk.value)
          yield* orStalled(stream.send.sendMessage(chunk.value))
          sent += chunk.value.length
          if (options.onProgress !== undefined) yield* options.onProgress(sent)
        }
        const digest = hash.digest("hex")
        yield* orStalled(stream.send.sendMessage(trailerCodec.encode({ end, sha256: digest })))
        return digest
      })

      // One reader for the whole transfer: the answer may come while the last send still waits for its turn.
      const answered = yield* Deferred.make<Option.Option<Result>, RecvError>()
      yield* Effect.map(stream.receive.next, resultCodec.decode).pipe(
        Deferred.into(answered),
        Effect.forkScoped({ startImmediately: true })
      )
      const answer = Deferred.await(answered)
      const refused = Effect.flatMap(answer, (result) =>
        Option.isSome(result) && !result.value.ok
          ? Effect.fail(new TransferRefused({ reason: result.value.error }))
          : Effect.never
      )
      const digest = yield* Effect.raceFirst(upload, refused).pipe(
        // What is reset may never arrive, and what has arrived is forgotten when the connection ends: the receiver's answer
        // says that it has understood.
        Effect.tapErrorTag("FileUnusable", ({ told }) =>
          stream.send
            .sendMessage(abandonmentCodec.encode({ end, error: told }))
            .pipe(Effect.andThen(answer), Effect.timeoutOption(abandonTimeout), Effect.ignore)
        )
      )
      const result = yield* orStalled(answer)
      if (Option.isNone(result)) return yield* new TransferMismatch({ sent: digest, confirmed: Option.none() })
      if (!result.value.ok) return yield* new TransferRefused({ reason: result.value.error })
      if (result.value.sha256 !== digest) {
        return yield* new TransferMismatch({ sent: digest, confirmed: Option.some(result.value.sha256) })
      }
      const elapsed = Duration.nanos((yield* Clock.monotonicTimeNanos) - startedAt)
      // Everything has arrived; this only ends the stream in good order.
      yield* stream.send.finish.pipe(Effect.timeoutOption("5 seconds"), Effect.ignore)
      return { name: header.name, size: sent, sha256: digest, elapsed }
    })
  )
})
