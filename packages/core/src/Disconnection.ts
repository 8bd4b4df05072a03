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
import type { PeerId } from "./PeerId.ts"

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
  /** The peer: the key that it has proven. */
  readonly peerId: PeerId
  /** The id of the connection. */
  readonly connectionId: ConnectionId
  /** How the connection ended. */
  readonly reason: Close
  /** Whether this was the last connection with the peer: the application knows no other one with `peerId`. */
  readonly last: boolean
}
