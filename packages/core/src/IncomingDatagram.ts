/**
 * A datagram from a peer.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { Connection } from "./Connection.ts"
import type { PeerId } from "./PeerId.ts"

/**
 * A datagram from a peer (RFC 9221). Datagrams may be lost, and may arrive in another order than they were sent in. None arrives
 * twice.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface IncomingDatagram {
  /** The peer that sent the datagram: the key that it has proven. */
  readonly peerId: PeerId
  /** The connection that the datagram arrived on. It may have ended since. */
  readonly connection: Connection
  /** The bytes that the peer sent, without the kind byte; they may be none. */
  readonly payload: Uint8Array
}
