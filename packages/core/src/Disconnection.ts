/**
 * That a peer is gone.
 *
 * @since 0.1.0
 */
import type * as NetAddress from "effect/net/NetAddress"
import type { Close } from "./Close.ts"
import type { ConnectionId } from "./ConnectionId.ts"

/**
 * The end of a connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Disconnection {
  readonly peer: NetAddress.InetAddress
  readonly connectionId: ConnectionId
  readonly reason: Close
}
