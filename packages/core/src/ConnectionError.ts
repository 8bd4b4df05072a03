/**
 * The errors of dialling a peer and of using a connection.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Close } from "./Close.ts"
import { InvalidArgument } from "./InvalidArgument.ts"
import { PeerId, short } from "./PeerId.ts"

export { InvalidArgument } from "./InvalidArgument.ts"

/**
 * The endpoint has stopped: it or its scope was closed.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class EndpointStopped extends Schema.TaggedError<EndpointStopped>("@qp2p/core/ConnectionError/EndpointStopped")(
  "EndpointStopped",
  {}
) {
  override get message() {
    return "the endpoint has stopped"
  }
}

/**
 * This endpoint already has `limit` connections (`EndpointConfig.maxConnections`).
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class TooManyConnections extends Schema.TaggedError<TooManyConnections>(
  "@qp2p/core/ConnectionError/TooManyConnections"
)("TooManyConnections", { limit: Schema.Int }) {
  override get message() {
    return `the limit of ${this.limit} connections is reached`
  }
}

/**
 * The address cannot be dialled: it is malformed, its port is 0, its family is not the socket's, or it is not the address
 * of one host (it is unspecified, multicast or broadcast). `input` is the text, or describes the value given instead.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class InvalidAddress extends Schema.TaggedError<InvalidAddress>("@qp2p/core/ConnectionError/InvalidAddress")(
  "InvalidAddress",
  { input: Schema.String, detail: Schema.String }
) {
  override get message() {
    return `cannot dial ${this.input}: ${this.detail}`
  }
}

/**
 * The peer and this endpoint have no version of QUIC, or no application protocol (ALPN), in common.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class VersionMismatch extends Schema.TaggedError<VersionMismatch>("@qp2p/core/ConnectionError/VersionMismatch")(
  "VersionMismatch",
  { peer: Schema.InetAddressFromString }
) {
  override get message() {
    return `${this.peer} speaks another version of the protocol`
  }
}

/**
 * QUIC or TLS failed with an error code of RFC 9000, section 20.1. A TLS alert has the code 0x100 + alert.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class TransportError extends Schema.TaggedError<TransportError>("@qp2p/core/ConnectionError/TransportError")(
  "TransportError",
  { peer: Schema.InetAddressFromString, code: Schema.Int, detail: Schema.String }
) {
  override get message() {
    return `transport error 0x${this.code.toString(16)} with ${this.peer}${this.detail === "" ? "" : `: ${this.detail}`}`
  }
}

/**
 * The operating system refused to send to the peer, so the dial failed at once. `systemCode` is the system's error code:
 * `ENETUNREACH` without a route, `EACCES` or `EPERM` for a firewall, `EINVAL` from a loopback address to another machine.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class DatagramRefused extends Schema.TaggedError<DatagramRefused>("@qp2p/core/ConnectionError/DatagramRefused")(
  "DatagramRefused",
  { peer: Schema.InetAddressFromString, systemCode: Schema.String, detail: Schema.String }
) {
  override get message() {
    return `cannot send to ${this.peer}: ${this.detail} (${this.systemCode})`
  }
}

/**
 * The peer lost its state of the connection and answered with a stateless reset (RFC 9000, section 10.3).
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class ConnectionReset extends Schema.TaggedError<ConnectionReset>("@qp2p/core/ConnectionError/ConnectionReset")(
  "ConnectionReset",
  { peer: Schema.InetAddressFromString }
) {
  override get message() {
    return `${this.peer} reset the connection`
  }
}

/**
 * The peer did not answer: the handshake took longer than `EndpointConfig.handshakeTimeout`, or an established
 * connection received nothing for the idle timeout.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class ConnectionTimedOut extends Schema.TaggedError<ConnectionTimedOut>(
  "@qp2p/core/ConnectionError/ConnectionTimedOut"
)("ConnectionTimedOut", { peer: Schema.InetAddressFromString }) {
  override get message() {
    return `${this.peer} did not answer`
  }
}

/**
 * The connection closed before the operation completed. `close` says which side closed it, and why.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class ConnectionClosed extends Schema.TaggedError<ConnectionClosed>(
  "@qp2p/core/ConnectionError/ConnectionClosed"
)("ConnectionClosed", { peer: Schema.InetAddressFromString, close: Close }) {
  /** The same as `close`, for `Effect.catchReason` and its like. */
  get reason(): Close {
    return this.close
  }

  override get message() {
    return `connection with ${this.peer}: ${this.close.message}`
  }
}

/**
 * Another peer than the expected one answered at `address`: it has the key `actual`. Nothing was sent to it.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class PeerMismatch extends Schema.TaggedError<PeerMismatch>("@qp2p/core/ConnectionError/PeerMismatch")(
  "PeerMismatch",
  { expected: PeerId, actual: PeerId, address: Schema.InetAddressFromString }
) {
  override get message() {
    return `${this.address} is the peer ${short(this.actual)}, not ${short(this.expected)}`
  }
}

/**
 * A `PeerPolicy` refused the connection: that of the peer (`by` is "Remote"), or this endpoint's own ("Local").
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class PeerRefused extends Schema.TaggedError<PeerRefused>("@qp2p/core/ConnectionError/PeerRefused")(
  "PeerRefused",
  { peerId: PeerId, address: Schema.InetAddressFromString, by: Schema.Literals(["Local", "Remote"]) }
) {
  override get message() {
    const peer = `${short(this.peerId)} at ${this.address}`
    return this.by === "Local" ? `the policy of this endpoint refuses ${peer}` : `${peer} refuses this endpoint`
  }
}

/**
 * No address of the peer is known.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class PeerNotFound extends Schema.TaggedError<PeerNotFound>("@qp2p/core/ConnectionError/PeerNotFound")(
  "PeerNotFound",
  { peerId: PeerId }
) {
  override get message() {
    return `no address of the peer ${this.peerId} is known`
  }
}

/**
 * Why a dial or a connection failed.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const ConnectionError = Schema.Union([
  EndpointStopped,
  TooManyConnections,
  InvalidAddress,
  InvalidArgument,
  VersionMismatch,
  TransportError,
  DatagramRefused,
  ConnectionReset,
  ConnectionTimedOut,
  ConnectionClosed,
  PeerMismatch,
  PeerRefused,
  PeerNotFound
])

/**
 * Why a dial or a connection failed.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type ConnectionError = typeof ConnectionError.Type

/**
 * No peer of a list could be reached. `attempts` has the error of each, in the order of the list.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class NoneReachable extends Schema.TaggedError<NoneReachable>("@qp2p/core/ConnectionError/NoneReachable")(
  "NoneReachable",
  {
    attempts: Schema.Array(
      Schema.Struct({ peer: Schema.Union([Schema.InetAddressFromString, Schema.String]), error: ConnectionError })
    )
  }
) {
  override get message() {
    return this.attempts.length === 0
      ? "no peer was given"
      : `none could be reached: ${this.attempts.map(({ error }) => error.message).join("; ")}`
  }
}
