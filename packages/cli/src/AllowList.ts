/**
 * The policy of `--allow`: connections with the listed peers only.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { PeerId } from "@qp2p/core/PeerId"
import * as PeerPolicy from "@qp2p/core/PeerPolicy"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/**
 * The policy that accepts the listed peers, and every peer when none is listed. `onRefused` is called with each other peer that
 * dials this endpoint, and with none that this endpoint dials: there the dial fails.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  allowed: ReadonlyArray<PeerId>,
  onRefused: (peer: PeerPolicy.Peer) => Effect.Effect<void>
): Layer.Layer<never> => {
  if (allowed.length === 0) return Layer.empty
  const ids = new Set(allowed)
  return Layer.succeed(PeerPolicy.PeerPolicy, (peer) => {
    if (ids.has(peer.peerId)) return Effect.succeed(true)
    return peer.direction === "Inbound" ? Effect.as(onRefused(peer), false) : Effect.succeed(false)
  })
}
