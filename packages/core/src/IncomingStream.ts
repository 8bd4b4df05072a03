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
 * A stream that a peer opened. With the option `streams: "Manual"`, an endpoint passes these to the application in
 * `Endpoint.incomingStreams`, instead of reading messages from them.
 *
 * The application reads `receive` as messages or as bytes. The endpoint does not read ahead, so flow control holds the peer
 * back. On a bidirectional stream, the application finishes `send`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface IncomingStream {
  /** The connection that the stream is on. */
  readonly connection: Connection
  /** The half that the peer writes. */
  readonly receive: RecvStream
  /** The half that this side writes; none when the stream is unidirectional. */
  readonly send: Option.Option<SendStream>
}
