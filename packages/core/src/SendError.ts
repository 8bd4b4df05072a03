/**
 * Why a message was not confirmed.
 *
 * None of these says that the peer did not get the message: the confirmation may be what was lost. A send is at
 * least once when it is retried.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ConnectionError } from "./ConnectionError.ts"
import { StreamError } from "./StreamError.ts"

/**
 * A message does not fit the wire format: empty or larger than `EndpointConfig.maxMessageSize` when sent; a malformed
 * or oversized frame when received.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class SerializationError extends Schema.TaggedError<SerializationError>(
  "@qp2p/core/SendError/SerializationError"
)("SerializationError", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

/**
 * There is no connection any more, or none could be made.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class ConnectionLost extends Schema.TaggedError<ConnectionLost>("@qp2p/core/SendError/ConnectionLost")(
  "ConnectionLost",
  { reason: ConnectionError }
) {
  override get message() {
    return this.reason.message
  }
}

/**
 * The stream ended early; the connection lives on.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class StreamLost extends Schema.TaggedError<StreamLost>("@qp2p/core/SendError/StreamLost")("StreamLost", {
  reason: StreamError
}) {
  override get message() {
    return this.reason.message
  }
}

/**
 * An error of sending on a stream.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const SendError = Schema.Union([SerializationError, ConnectionLost, StreamLost])

/**
 * An error of sending on a stream.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type SendError = typeof SendError.Type

/**
 * There is no connection with the peer, and `trySendMessage` makes none.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class NotConnected extends Schema.TaggedError<NotConnected>("@qp2p/core/SendError/NotConnected")(
  "NotConnected",
  {
    peer: Schema.InetAddressFromString
  }
) {
  override get message() {
    return `not connected with ${this.peer}`
  }
}
