/**
 * The errors of sending a message.
 *
 * A failed send may still have delivered the message: its acknowledgement may be what was lost. A retried send therefore
 * delivers at least once.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ConnectionError } from "./ConnectionError.ts"
import { StreamError } from "./StreamError.ts"

/**
 * A message does not fit the wire format. A message to send is empty or larger than `EndpointConfig.maxMessageSize`; a
 * received frame is malformed or oversized.
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
 * The connection ended, or could not be made. `reason` says why.
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
 * The stream ended early; the connection is still open. `reason` says why.
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
 * There is no connection with the peer. `trySendMessage` does not dial.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class NotConnected extends Schema.TaggedError<NotConnected>("@qp2p/core/SendError/NotConnected")(
  "NotConnected",
  {
    peer: Schema.Union([Schema.InetAddressFromString, Schema.String])
  }
) {
  override get message() {
    return `not connected with ${this.peer}`
  }
}
