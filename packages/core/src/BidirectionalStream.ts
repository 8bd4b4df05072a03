/**
 * A stream that carries messages both ways.
 *
 * @since 0.1.0
 */
import type { RecvStream } from "./RecvStream.ts"
import type { SendStream } from "./SendStream.ts"

/**
 * Each half ends on its own: after `send.finish` the answers still come.
 *
 * @category models
 * @since 0.1.0
 */
export interface BidirectionalStream {
  readonly send: SendStream
  readonly receive: RecvStream
}
