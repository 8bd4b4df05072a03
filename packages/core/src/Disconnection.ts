/**
 * That a peer is gone.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as NetAddress from "effect/net/NetAddress"
import type * as Option from "effect/Option"
import type { Close } from "./Close.ts"
import type { ConnectionId } from "./ConnectionId.ts"

/**
 * The end of a connection.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Disconnection {
  /** Where the peer was. */
  readonly peer: NetAddress.InetAddress
  /** Where this side had dialled the peer, which is where to dial it again; none when the peer had dialled. */
  readonly dialledAddress: Option.Option<NetAddress.InetAddress>
  /** The id of the peer that is gone. */
  readonly connectionId: ConnectionId
  /** How the connection ended. */
  readonly reason: Close
  /**
   * Whether it was the last connection with that peer: no other connection that the application has been told of has its
   * peer at `peer` or at `dialledAddress`, or was dialled there.
   */
  readonly last: boolean
}
