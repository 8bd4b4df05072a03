/**
 * Which peers may have a transfer: bounds for each peer, for each network and for all together.
 *
 * Where the bound of a network is reached, a peer of it that has few transfers gets the place of a transfer of the peer of it
 * that has most. Where the bound for all is reached, so does a network. So one peer, and one network, can hold all places only
 * while the others want none, and a peer with many keys takes places from its own network alone.
 */
import * as Arr from "effect/Array"
import type { FileLimits } from "../FileLimits.ts"
import type { PeerGroup } from "./PeerGroup.ts"

/**
 * A transfer that takes a place.
 */
export interface Holder {
  /** The peer that sends the file. */
  readonly group: PeerGroup
  /** The bytes a second so far. The slowest transfer of a peer loses its place first. */
  readonly rate: number
  /** Whether all content has arrived. Such a transfer keeps its place. */
  readonly isComplete: boolean
}

/**
 * The answer to a peer that asks for a place: a place, the place of another transfer, or none, with the reason for the peer.
 */
export type Admission<T> =
  | { readonly _tag: "Admitted" }
  | { readonly _tag: "Displaces"; readonly victim: T }
  | { readonly _tag: "Refused"; readonly detail: string }

const admitted = { _tag: "Admitted" } as const

/**
 * Decides about one more transfer. The work is bounded by `maxTransfers`.
 */
export const admit = <T extends Holder>(
  open: ReadonlyArray<T>,
  asker: PeerGroup,
  limits: Pick<FileLimits, "maxTransfers" | "maxTransfersPerPeer" | "maxTransfersPerNetwork">
): Admission<T> => {
  const own = open.filter(({ group }) => group.peer === asker.peer)
  if (own.length >= limits.maxTransfersPerPeer) return refused(own.length, "of yours")
  const near = open.filter(({ group }) => group.network === asker.network)
  if (near.length >= limits.maxTransfersPerNetwork) {
    return displaced(near, own.length, byPeer) ?? refused(near.length, "from your network")
  }
  if (open.length < limits.maxTransfers) return admitted
  // A fresh key must not take the place of a peer in a network that holds no more than its own does.
  return (
    displaced(open, near.length, byNetwork) ?? displaced(near, own.length, byPeer) ?? refused(open.length, undefined)
  )
}

const byPeer = ({ group }: Holder): string => group.peer
const byNetwork = ({ group }: Holder): string => group.network

/**
 * The place of the slowest transfer of the key that holds most. That key keeps as many as the asker then has: so two peers
 * never take the same place from each other in turn.
 */
const displaced = <T extends Holder>(
  open: ReadonlyArray<T>,
  askerHas: number,
  keyOf: (holder: Holder) => string
): Admission<T> | undefined => {
  const most = Object.values<ReadonlyArray<T>>(Arr.groupBy(open, keyOf))
    .filter((group) => group.length >= askerHas + 2 && group.some(({ isComplete }) => !isComplete))
    .reduce<ReadonlyArray<T>>((longest, each) => (each.length > longest.length ? each : longest), [])
  const victim = most
    .filter(({ isComplete }) => !isComplete)
    .reduce<T | undefined>(
      (slowest, each) => (slowest === undefined || each.rate < slowest.rate ? each : slowest),
      undefined
    )
  return victim && { _tag: "Displaces", victim }
}

const refused = (count: number, whose: string | undefined): Admission<never> => ({
  _tag: "Refused",
  detail: `busy with ${count === 1 ? "another file" : `${count} other files`}${whose === undefined ? "" : ` ${whose}`}`
})
