/**
 * The receiving half of a stream.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { RecvError } from "./RecvError.ts"

/**
 * The receiving half of a stream: messages or bytes, in the order they were sent.
 *
 * A stream is read either as messages or as bytes: after the first read, a read of the other kind fails with
 * `SerializationError` and takes nothing. An unread stream holds the peer back: at most 256 KiB and one chunk of it are
 * buffered before the first read, of a message of any length as well. An abandoned stream, which the program no
 * longer references, nor one of its effects, is read to its end and its content dropped.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface RecvStream {
  /** Takes the next message. Fails after the last one with `StreamLost` and `StreamClosed`. An interrupted read takes nothing. */
  readonly next: Effect.Effect<Uint8Array, RecvError>
  /** The messages, up to the end of the stream. */
  readonly messages: Stream.Stream<Uint8Array, RecvError>
  /**
   * The bytes without frames, as `SendStream.write` sends them, in chunks of any size, up to the end of the stream. Unread
   * bytes hold the peer back.
   */
  readonly bytes: Stream.Stream<Uint8Array, RecvError>
  /**
   * Discards the rest and asks the peer to stop sending (RFC 9000, section 19.5). The peer's sends fail with `StreamStopped`
   * and `code`: 0 to 2^53 - 1; another number is brought into that range (`ErrorCode.clamp`).
   */
  readonly stop: (code: number) => Effect.Effect<void>
}
