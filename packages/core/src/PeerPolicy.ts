/**
 * Decides which peers an endpoint has connections with.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import type { Direction } from "./Direction.ts"
import type { PeerId } from "./PeerId.ts"

/**
 * A peer that has proven its key in a handshake.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Peer {
  /** The key that the peer has proven. */
  readonly peerId: PeerId
  /** The address that the handshake came from, or that was dialled. */
  readonly address: NetAddress.InetAddress
  /** "Inbound" when the peer dials, "Outbound" when this endpoint does. */
  readonly direction: Direction
}

/**
 * The default policy: it accepts every peer.
 *
 * @stability unstable
 * @category policies
 * @since 0.1.0
 */
export const acceptAll = (_peer: Peer): Effect.Effect<boolean> => Effect.succeed(true)

/**
 * Tells whether an endpoint has connections with a peer. The default accepts every peer.
 *
 * The endpoint asks after each handshake, in both directions, and before it surfaces anything. Until the policy has answered,
 * this side sends nothing on the connection beyond what the handshake needs, so that no message of the peer is acknowledged. A
 * policy that fails, has a defect, answers no boolean, or does not answer within the handshake timeout refuses the peer, and
 * the endpoint logs a warning. A refusal closes the connection with code 4 (`ErrorCode.refused`), and is `PeerRefused` for the
 * caller on either side. The endpoint interrupts the policy when the connection ends before the answer.
 *
 * @stability unstable
 * @category references
 * @since 0.1.0
 */
export const PeerPolicy: Context.Reference<(peer: Peer) => Effect.Effect<boolean>> = Context.Reference<
  (peer: Peer) => Effect.Effect<boolean>
>("@qp2p/core/PeerPolicy", { defaultValue: () => acceptAll })
