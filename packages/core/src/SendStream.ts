/**
 * The sending half of a stream.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { Close } from "./Close.ts"
import type { SendError } from "./SendError.ts"
import type { StreamStopped } from "./StreamError.ts"

/**
 * What a message, or bytes that are written, do to their stream besides being sent on it.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface SendStreamOptions {
  /** Whether the stream ends with them; false by default. */
  readonly fin?: boolean | undefined
}

/**
 * Messages sent on one stream arrive in order. A stream that its owner lets go of, with all of its effects, is finished as
 * by `finish` once that is noticed, which may take long: a stream that is not finished keeps a place among those that may
 * be open.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface SendStream {
  /**
   * Queues a message of 1 byte to `maxMessageSize`. Done when there is room for another, not when it has arrived:
   * `finish` tells that. The payload must not be changed before the stream is finished.
   *
   * With `fin` it is the last one: done, as `finish` is, when the peer has acknowledged everything that was sent on the
   * stream. The end then travels with the message. A message that fails with `SerializationError` ends nothing.
   */
  readonly sendMessage: (payload: Uint8Array, options?: SendStreamOptions) => Effect.Effect<void, SendError>
  /**
   * Queues bytes as they are, without a frame, for a peer that reads `RecvStream.bytes`. A peer that reads messages takes
   * them for parts of frames. Done when the stream has taken them and has room for more: flow control and the peer's
   * reading hold that back. `fin` as in `sendMessage`. The bytes must not be changed before the stream is finished.
   * Interruption leaves them queued. No bytes at all are written at once. What is no `Uint8Array` fails with
   * `SerializationError` and ends nothing.
   */
  readonly write: (bytes: Uint8Array, options?: SendStreamOptions) => Effect.Effect<void, SendError>
  /** Higher is sent first; 0 is the default, and what is no finite number. Takes effect for what is not yet sent. */
  readonly setPriority: (priority: number) => Effect.Effect<void>
  /** Ends the stream. Done when the peer has acknowledged everything that was sent on it. */
  readonly finish: Effect.Effect<void, SendError>
  /** Gives up: what is not yet acknowledged is dropped, and the peer's reads fail with `StreamReset` and `code`, 0 to 2^53 - 1. */
  readonly reset: (code: number) => Effect.Effect<void>
  /**
   * Waits until the peer stops the stream, with the code that it gave, or until the connection ends. The peer's stop is
   * told as soon as it arrives, also while nothing is written. A stream that has ended here, by `finish` that is done or by
   * `reset`, is not stopped any more: then this waits for the end of the connection.
   */
  readonly stopped: Effect.Effect<StreamStopped | Close>
}
