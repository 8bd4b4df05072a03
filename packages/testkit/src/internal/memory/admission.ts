/** Asks the owner of a socket whether it admits a peer that has proven its key. */
import type { SocketEvents } from "@qp2p/core/Transport"
import type { Peer } from "@qp2p/core/PeerPolicy"
import type { Timeline } from "../network/timeline.ts"

/**
 * Calls `onDecided` with the decision, in a turn of the network: at once if the owner decides at once, otherwise in a later
 * turn. Without `onHandshake`, every peer is admitted. The returned function ends the question, unless it is
 * answered.
 */
export const ask = (
  timeline: Timeline,
  onHandshake: SocketEvents["onHandshake"],
  peer: Peer,
  onDecided: (isAdmitted: boolean) => void
): (() => void) | undefined => {
  if (onHandshake === undefined) {
    onDecided(true)
    return undefined
  }
  let decision: boolean | undefined
  let isAsking = true
  const cancel = onHandshake(peer, (isAdmitted) => {
    if (decision !== undefined) return
    decision = isAdmitted
    if (!isAsking) timeline.schedule(0, () => onDecided(isAdmitted))
  })
  isAsking = false
  if (decision !== undefined) onDecided(decision)
  return () => {
    if (decision === undefined) cancel?.()
  }
}
