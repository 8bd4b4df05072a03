/**
 * A connection with one peer.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import type * as Option from "effect/Option"
import type { BidirectionalStream } from "./BidirectionalStream.ts"
import type { Close } from "./Close.ts"
import type { ConnectionError } from "./ConnectionError.ts"
import type { ConnectionId } from "./ConnectionId.ts"
import type { SendError } from "./SendError.ts"
import type { SendStream } from "./SendStream.ts"
import type { ConnectionStats } from "./Transport.ts"

export type { ConnectionStats } from "./Transport.ts"

/**
 * Higher is sent first; a signed integer, 0 by default, as in qp2p.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface PriorityOptions {
  /** The priority of what is sent: an integer, 0 by default. */
  readonly priority?: number | undefined
}

/**
 * What the peer is told when this side closes a connection.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface CloseOptions {
  /**
   * The application's error code, 0 to 2^53 - 1; what is out of range is brought into it. 0 by default. `ErrorCode` has the
   * codes that this library uses.
   */
  readonly code?: number | undefined
  /** A text for people. Empty by default. QUIC sends its first 1,000 bytes of UTF-8. */
  readonly detail?: string | undefined
}

/**
 * Which side made a connection: "Outbound" when this side dialled, "Inbound" when the peer did.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Direction = "Inbound" | "Outbound"

/**
 * A connection with one peer, which either side dialled.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Connection {
  /** The id that names the peer. */
  readonly id: ConnectionId
  /** Which side dialled. */
  readonly direction: Direction
  /**
   * Where the peer is now. It changes when a NAT on the way rebinds, and right after the dial when the peer answers from
   * another of its addresses.
   */
  readonly remoteAddress: NetAddress.InetAddress
  /**
   * Where this side dialled the peer; none when the peer dialled. It stays the same wherever the peer goes, and the
   * endpoint finds the connection by it, too.
   */
  readonly dialledAddress: Option.Option<NetAddress.InetAddress>
  /**
   * Sends one message. Done when the peer has acknowledged all of it. The payload must not be changed before: it is sent
   * by reference, and bytes that are written to it meanwhile may be what arrives. One whose buffer is transferred to
   * somewhere else before it has left fails with `SerializationError`. Interruption gives up on what is not yet sent.
   * Messages of up to 16 KiB that wait for their turn together share a stream.
   */
  readonly send: (payload: Uint8Array, options?: PriorityOptions) => Effect.Effect<void, SendError>
  /** Opens a stream that only this side writes. */
  readonly openUni: (options?: PriorityOptions) => Effect.Effect<SendStream, ConnectionError>
  /** Opens a stream that both sides write. */
  readonly openBi: (options?: PriorityOptions) => Effect.Effect<BidirectionalStream, ConnectionError>
  /**
   * Closes the connection and tells the peer, which sees `ApplicationClosed` with the code and the detail. Done when the
   * connection has ended. On a connection that has ended it does nothing.
   */
  readonly close: (options?: CloseOptions) => Effect.Effect<void>
  /** Waits for the end and says how it came. */
  readonly closed: Effect.Effect<Close>
  /** Counters of the connection since it was made. */
  readonly stats: Effect.Effect<ConnectionStats>
}
