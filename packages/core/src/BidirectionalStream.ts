/**
 * A stream that carries messages both ways.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { RecvStream } from "./RecvStream.ts"
import type { SendStream } from "./SendStream.ts"

/**
 * A stream with a sending and a receiving half. Each half ends on its own: answers still arrive after `send.finish`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface BidirectionalStream {
  /** The half that this side writes. */
  readonly send: SendStream
  /** The half that this side reads. */
  readonly receive: RecvStream
}
