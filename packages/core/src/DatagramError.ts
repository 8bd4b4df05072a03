/**
 * The errors of sending a datagram.
 *
 * Datagrams are not acknowledged, so a send that succeeds says only that the datagram waits to leave.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { PeerId, short } from "./PeerId.ts"
import { ConnectionLost, SerializationError } from "./SendError.ts"

/**
 * The datagram is larger than the connection carries now. `size` and `limit` are the bytes of the payload; `limit` is
 * `Connection.maxDatagramSize` at the time of the send.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class DatagramTooLarge extends Schema.TaggedError<DatagramTooLarge>("@qp2p/core/DatagramError/DatagramTooLarge")(
  "DatagramTooLarge",
  { size: Schema.Int, limit: Schema.Int }
) {
  override get message() {
    return `a datagram of ${this.size} bytes is larger than the ${this.limit} that the connection carries`
  }
}

/**
 * The peer takes no datagrams: it has not announced them in its handshake (RFC 9221, section 3), or the transport has none.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class DatagramsUnsupported extends Schema.TaggedError<DatagramsUnsupported>(
  "@qp2p/core/DatagramError/DatagramsUnsupported"
)("DatagramsUnsupported", { peerId: PeerId }) {
  override get message() {
    return `the peer ${short(this.peerId)} takes no datagrams`
  }
}

/**
 * The datagram was dropped: as many as the connection keeps already wait to leave. The congestion window or the send rate holds
 * them back.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class DatagramQueueFull extends Schema.TaggedError<DatagramQueueFull>(
  "@qp2p/core/DatagramError/DatagramQueueFull"
)("DatagramQueueFull", { peerId: PeerId }) {
  override get message() {
    return `too many datagrams to the peer ${short(this.peerId)} wait to leave`
  }
}

/**
 * An error of sending a datagram. `SerializationError` is for a payload that is no `Uint8Array`, `ConnectionLost` for a
 * connection that has ended.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const DatagramError = Schema.Union([
  SerializationError,
  DatagramTooLarge,
  DatagramsUnsupported,
  DatagramQueueFull,
  ConnectionLost
])

/**
 * An error of sending a datagram.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type DatagramError = typeof DatagramError.Type
