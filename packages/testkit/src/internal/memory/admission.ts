/** Asks the owner of a socket whether it admits a peer that has proven its key. */
import type { SocketEvents } from "@qp2p/core/Transport"
import type { Peer } from "@qp2p/core/PeerPolicy"
import type { Timeline } from "../network/timeline.ts"

/**
 * Calls `conclude` with the decision, in a turn of the network: at once if the owner decides at once, otherwise in a later
 * turn. Without `onHandshake`, every peer is admitted.
 */
export const ask = (
  timeline: Timeline,
  onHandshake: SocketEvents["onHandshake"],
  peer: Peer,
  conclude: (isAdmitted: boolean) => void
): void => {
  if (onHandshake === undefined) return conclude(true)
  let decision: boolean | undefined
  let isAsking = true
  onHandshake(peer, (isAdmitted) => {
    if (decision !== undefined) return
    decision = isAdmitted
    if (!isAsking) timeline.schedule(0, () => conclude(isAdmitted))
  })
  isAsking = false
  if (decision !== undefined) conclude(decision)
}
