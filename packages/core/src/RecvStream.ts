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
 * Messages, or bytes, in the order they were sent. A stream is read as the one or the other: after the first read the other
 * kind fails with `SerializationError` and takes nothing. A stream that nobody reads holds the peer back; one that its owner lets go of, with
 * all of its effects, is read to its end and dropped.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface RecvStream {
  /** The next message. After the last one: `StreamLost` with `StreamClosed`. Takes nothing when interrupted. */
  readonly next: Effect.Effect<Uint8Array, RecvError>
  /** Every message; ends where the peer finished. */
  readonly messages: Stream.Stream<Uint8Array, RecvError>
  /**
   * Bytes without frames, as `SendStream.write` sends them, in chunks of no particular size; ends where the peer finished.
   * Bytes that are not taken hold the peer back.
   */
  readonly bytes: Stream.Stream<Uint8Array, RecvError>
  /** Discards the rest and asks the peer to stop; its sends fail with `StreamStopped` and `code`. */
  readonly stop: (code: number) => Effect.Effect<void>
}
