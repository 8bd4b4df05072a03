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
 * The options of `sendMessage` and `write`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface SendStreamOptions {
  /** Whether the stream ends after the message or the bytes. Default false. */
  readonly fin?: boolean | undefined
}

/**
 * The sending half of a stream. Messages on one stream arrive in order.
 *
 * A stream counts against the limit of open streams until it is finished. An abandoned stream, which the program no longer
 * references, nor one of its effects, is finished when the garbage collector finds it, which may take long.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface SendStream {
  /**
   * Queues a message of 1 byte to `maxMessageSize`. Completes when there is room for another message, which does not mean
   * that the peer has it: `finish` confirms that. Do not change the payload before the stream is finished.
   *
   * With `fin`, the message ends the stream and carries its end. The send then completes as `finish` does, when the peer has
   * acknowledged everything on the stream. A message that fails with `SerializationError` does not end the stream.
   */
  readonly sendMessage: (payload: Uint8Array, options?: SendStreamOptions) => Effect.Effect<void, SendError>
  /**
   * Queues bytes without a frame, for a peer that reads `RecvStream.bytes`. A peer that reads messages would decode them as
   * parts of frames. Completes when the stream has room for more, which depends on flow control and on the peer's reading;
   * an empty array completes at once. `fin` is as in `sendMessage`.
   *
   * Do not change the bytes before the stream is finished. Interruption leaves them queued. A value that is not a `Uint8Array`
   * fails with `SerializationError` and does not end the stream.
   */
  readonly write: (bytes: Uint8Array, options?: SendStreamOptions) => Effect.Effect<void, SendError>
  /** Sets the priority of what is not sent yet. A higher priority is sent first. Numbers that are not finite mean 0. */
  readonly setPriority: (priority: number) => Effect.Effect<void>
  /** Ends the stream. Completes when the peer has acknowledged everything on it. */
  readonly finish: Effect.Effect<void, SendError>
  /**
   * Resets the stream (RFC 9000, section 19.4): drops what is not acknowledged, and fails the peer's reads with `StreamReset`
   * and `code`: 0 to 2^53 - 1; another number is brought into that range (`ErrorCode.clamp`).
   */
  readonly reset: (code: number) => Effect.Effect<void>
  /**
   * Waits until the peer stops the stream, and returns its code, or until the connection ends. The stop is reported when it
   * arrives, even while nothing is written. A stream that this side has reset, or finished with an acknowledgement, can no
   * longer be stopped: then the effect waits for the end of the connection.
   */
  readonly stopped: Effect.Effect<StreamStopped | Close>
}
