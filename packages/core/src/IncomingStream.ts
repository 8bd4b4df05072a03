/**
 * A stream that a peer opened, for applications that read streams themselves.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as Option from "effect/Option"
import type { Connection } from "./Connection.ts"
import type { RecvStream } from "./RecvStream.ts"
import type { SendStream } from "./SendStream.ts"

/**
 * A stream that a peer opened. An endpoint with the option `streams: "Manual"` hands these to the application, in
 * `Endpoint.incomingStreams`, instead of reading messages from them.
 *
 * `receive` has everything that the peer sends on the stream: read it as messages, or as bytes. Nothing is read before the
 * application does, so that flow control holds the peer back. `send` is there when the stream is bidirectional: the other
 * half, which the application finishes.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface IncomingStream {
  /** The connection that the stream is on. */
  readonly connection: Connection
  /** What the peer sends. */
  readonly receive: RecvStream
  /** What goes back to the peer; none when the stream is unidirectional. */
  readonly send: Option.Option<SendStream>
}
