/**
 * Reports that a connection ended.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as NetAddress from "effect/net/NetAddress"
import type * as Option from "effect/Option"
import type { Close } from "./Close.ts"
import type { ConnectionId } from "./ConnectionId.ts"

/**
 * The end of one connection: with which peer, and why.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Disconnection {
  /** The peer's last address. */
  readonly peer: NetAddress.InetAddress
  /** The address that this side dialled, to dial the peer again; none when the peer dialled. */
  readonly dialledAddress: Option.Option<NetAddress.InetAddress>
  /** The id of the peer. */
  readonly connectionId: ConnectionId
  /** How the connection ended. */
  readonly reason: Close
  /**
   * Whether this was the last connection with the peer: no other connection that the application knows has its peer at
   * `peer` or `dialledAddress`, or was dialled there.
   */
  readonly last: boolean
}
