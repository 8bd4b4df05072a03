/**
 * Sends one file over one bidirectional stream, as `FileMessages` describes.
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
import { abandonmentCodec, type Header, headerCodec, type Result, resultCodec, trailerCodec } from "./FileMessages.ts"
import * as FileSource from "./FileSource.ts"
import * as Format from "./Format.ts"
import { longestReason, printable } from "./Printable.ts"

/**
 * The number of bytes in a content message: large enough that the cost of a message does not matter, small enough for
 * flow control.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const chunkSize = FileSource.chunkSize

/**
 * How long either side waits for the other before it gives up: 30 s.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const defaultStallTimeout: Duration.Duration = Duration.seconds(30)

/**
 * The local file cannot be sent: see `FileSource.FileUnusable`.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export const FileUnusable = FileSource.FileUnusable

/**
 * The local file cannot be sent: see `FileSource.FileUnusable`.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export type FileUnusable = FileSource.FileUnusable

/**
 * The receiver refused the file. `detail` is the receiver's text and untrusted.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class TransferRefused extends Schema.TaggedError<TransferRefused>("@qp2p/cli/FileTransfer/TransferRefused")(
  "TransferRefused",
  { detail: Schema.String }
) {
  override get message() {
    return `the receiver did not take the file: ${printable(this.detail, longestReason)}`
  }
}

/**
 * The receiver stopped reading the content, or did not answer after its end.
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
 * The receiver confirmed other content than was sent, or answered with bytes that are not a `Result`.
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
 * The errors of `send`.
 *
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
  /** The base name that the receiver was told. */
  readonly name: string
  /** The size in bytes. */
  readonly size: number
  /** The hash of the content, as 64 lowercase hexadecimal digits. */
  readonly sha256: string
  /** The time from the header to the confirmation. */
  readonly elapsed: Duration.Duration
}

/**
 * What to send, and how.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface SendOptions {
  /** The path of a file or a named pipe, or `-` for standard input. */
  readonly path: string
  /** Opens the stream. It runs after the file was opened, so that a missing file costs no connection. */
  readonly open: Effect.Effect<BidirectionalStream, ConnectionError>
  /** Called once with the header, before the first byte. */
  readonly onStart?: ((header: Header) => Effect.Effect<void>) | undefined
  /** Called after each chunk with the number of bytes passed to the stream. */
  readonly onProgress?: ((sent: number) => Effect.Effect<void>) | undefined
  /** How long to wait for the receiver; 30 s by default. */
  readonly stallTimeout?: Duration.Input | undefined
}

/** How long to wait for the receiver to acknowledge that this side gave up. */
const abandonTimeout = Duration.seconds(5)

/** The reset code of a transfer that this side gave up. */
const abandoned = 1

/**
 * Sends a file and waits until the receiver has confirmed its SHA-256.
 *
 * It holds a few chunks in memory, for a file of any size: reading waits for the stream. A file that changes its
 * size meanwhile, or cannot be read to its end, fails on both sides: the receiver is told. A failure or an interruption
 * resets the stream, so that the receiver keeps no partial file.
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

      // One reader for the whole transfer: the answer may arrive while the last message is still queued.
      const answered = yield* Deferred.make<Option.Option<Result>, RecvError>()
      yield* Effect.map(stream.receive.next, resultCodec.decode).pipe(
        Deferred.into(answered),
        Effect.forkScoped({ startImmediately: true })
      )
      const answer = Deferred.await(answered)
      const refused = Effect.flatMap(answer, (result) =>
        Option.isSome(result) && !result.value.ok
          ? Effect.fail(new TransferRefused({ detail: result.value.error }))
          : Effect.never
      )
      const digest = yield* Effect.raceFirst(upload, refused).pipe(
        // A reset may be lost, and what has arrived is forgotten when the connection ends: the receiver's answer shows
        // that it was told.
        Effect.tapErrorTag("FileUnusable", ({ told }) =>
          stream.send
            .sendMessage(abandonmentCodec.encode({ end, error: told }))
            .pipe(Effect.andThen(answer), Effect.timeoutOption(abandonTimeout), Effect.ignore)
        )
      )
      const result = yield* orStalled(answer)
      if (Option.isNone(result)) return yield* new TransferMismatch({ sent: digest, confirmed: Option.none() })
      if (!result.value.ok) return yield* new TransferRefused({ detail: result.value.error })
      if (result.value.sha256 !== digest) {
        return yield* new TransferMismatch({ sent: digest, confirmed: Option.some(result.value.sha256) })
      }
      const elapsed = Duration.nanos((yield* Clock.monotonicTimeNanos) - startedAt)
      // Everything has arrived, so this only ends the stream.
      yield* stream.send.finish.pipe(Effect.timeoutOption("5 seconds"), Effect.ignore)
      return { name: header.name, size: sent, sha256: digest, elapsed }
    })
  )
})
