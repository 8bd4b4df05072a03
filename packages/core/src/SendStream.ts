/**
 * The sending half of a stream.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { SendError } from "./SendError.ts"

/**
 * Messages sent on one stream arrive in order.
 *
 * @category models
 * @since 0.1.0
 */
export interface SendStream {
  /**
   * Queues a message of 1 byte to `maxMessageSize`. Done when there is room for another, not when it has arrived:
   * `finish` tells that. The payload must not be changed before the stream is finished.
   */
  readonly sendMessage: (payload: Uint8Array) => Effect.Effect<void, SendError>
  /** Higher is sent first; 0 is the default, and what is no finite number. Takes effect for what is not yet sent. */
  readonly setPriority: (priority: number) => Effect.Effect<void>
  /** Ends the stream. Done when the peer has acknowledged everything that was sent on it. */
  readonly finish: Effect.Effect<void, SendError>
  /** Gives up: what is not yet acknowledged is dropped, and the peer sees `StreamStopped` with `code`, 0 to 2^53 - 1. */
  readonly reset: (code: number) => Effect.Effect<void>
}
