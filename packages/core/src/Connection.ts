/**
 * A connection with one peer.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { BidirectionalStream } from "./BidirectionalStream.ts"
import type { Close } from "./Close.ts"
import type { ConnectionError } from "./ConnectionError.ts"
import type { ConnectionId } from "./ConnectionId.ts"
import type { DatagramError } from "./DatagramError.ts"
import type { Direction } from "./Direction.ts"
import type { PeerId } from "./PeerId.ts"
import type { ProtocolStream } from "./ProtocolStream.ts"
import type { SendError } from "./SendError.ts"
import type { SendStream } from "./SendStream.ts"
import type * as Transport from "./Transport.ts"

export type { Direction } from "./Direction.ts"

/**
 * The counters of one connection.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ConnectionStats extends Transport.ConnectionStats {
  /** The number of datagrams that `sendDatagram` has queued. */
  readonly datagramsSent: number
  /** The number of datagrams that arrived for the application, which got them or will. */
  readonly datagramsReceived: number
  /** The number of datagrams that arrived and were dropped, since the application did not read `Endpoint.datagrams` in time. */
  readonly datagramsDropped: number
  /** The number of datagrams that arrived and were dropped, since their kind is unknown here. */
  readonly datagramsUnknown: number
  /** The number of datagrams that were not sent: the queue was full, or the path carries only smaller ones since. */
  readonly datagramsUnsent: number
}

/**
 * The priority option of messages and streams. A higher priority is sent first.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface PriorityOptions {
  /**
   * The priority: a signed integer, as in qp2p. Default 0. Over QUIC, what has a negative priority also keeps the queue of the
   * path short, for what is sent after it.
   */
  readonly priority?: number | undefined
}

/**
 * The code and the text that a close carries to the peer (RFC 9000, section 19.19).
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface CloseOptions {
  /**
   * The application's error code, 0 to 2^53 - 1; other numbers are clamped to that range. Default 0. `ErrorCode` has the
   * codes that this library uses.
   */
  readonly code?: number | undefined
  /** A text for people. QUIC sends the first 1,000 bytes of its UTF-8. Default empty. */
  readonly detail?: string | undefined
}

/**
 * A connection with one peer, inbound or outbound.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Connection {
  /** The peer: the key that it has proven. */
  readonly peerId: PeerId
  /** The id of the connection, derived from the address that this side dialled, or that the peer dialled from. */
  readonly id: ConnectionId
  /** The side that dialled. */
  readonly direction: Direction
  /**
   * The peer's current address: the last one at which it has proven to receive. It changes when a NAT on the path rebinds or
   * the peer changes networks, and soon after the dial when the peer answers from another of its addresses.
   */
  readonly remoteAddress: NetAddress.InetAddress
  /**
   * The address that this side dialled; none when the peer dialled. It never changes. The endpoint finds the connection by
   * this address as well.
   */
  readonly dialledAddress: Option.Option<NetAddress.InetAddress>
  /**
   * Sends one message, of 1 byte to `maxMessageSize`. Completes when the peer has acknowledged all of it.
   *
   * The payload is sent by reference: do not change it before the send completes, or the changed bytes may be sent. The send
   * fails with `SerializationError` when the payload's buffer is transferred before all of it has left. Interruption drops
   * what is not sent yet. Messages of up to 16 KiB that wait at the same priority share a stream.
   */
  readonly send: (payload: Uint8Array, options?: PriorityOptions) => Effect.Effect<void, SendError>
  /**
   * The most bytes of a datagram's payload that the connection carries now; 0 when the peer takes no datagrams. It follows the
   * size of the path's packets, so it may grow and shrink.
   */
  readonly maxDatagramSize: number
  /**
   * Sends a datagram of at most `maxDatagramSize` bytes, and of none at least (RFC 9221). Completes at once: the datagram waits
   * to leave. It is sent once, and may be lost; datagrams may overtake each other and messages. The payload is copied.
   *
   * A connection keeps a bounded number of datagrams to send. A further one is dropped, and its send fails with
   * `DatagramQueueFull`: to wait would only make it late.
   */
  readonly sendDatagram: (payload: Uint8Array) => Effect.Effect<void, DatagramError>
  /** Opens a stream that only this side writes. */
  readonly openUni: (options?: PriorityOptions) => Effect.Effect<SendStream, ConnectionError>
  /** Opens a stream that both sides write. */
  readonly openBi: (options?: PriorityOptions) => Effect.Effect<BidirectionalStream, ConnectionError>
  /** Opens a stream of a protocol, as `Endpoint.openProtocol` does, on this connection. */
  readonly openProtocol: (
    name: string,
    options?: PriorityOptions
  ) => Effect.Effect<ProtocolStream, ConnectionError, Scope.Scope>
  /**
   * Closes the connection. The peer's side ends with `ApplicationClosed`, which has the code and the detail. Completes when
   * the connection has ended. It does nothing on a connection that has ended.
   */
  readonly close: (options?: CloseOptions) => Effect.Effect<void>
  /**
   * Completes when the peer has accepted the connection, at once on an inbound one. Fails with `PeerRefused` when the policy of
   * the peer refuses it, and with another error when the connection ends before. `connectTo` waits for it. Before that, the
   * connection is usable: what is sent is acknowledged only once the peer has accepted.
   */
  readonly accepted: Effect.Effect<void, ConnectionError>
  /** Waits until the connection has ended, and returns why. */
  readonly closed: Effect.Effect<Close>
  /** The counters of the connection. */
  readonly stats: Effect.Effect<ConnectionStats>
}
