/**
 * Publishes connections that have turns in which they do nothing, which only a mistake of the driver's can cause. They are
 * published on a channel of `node:diagnostics_channel`, and every test of this repository fails that sees one there.
 */
import { channel } from "node:diagnostics_channel"
import type * as NetAddress from "effect/net/NetAddress"

/** The channel. `{ peer }` is published for each connection that `TurnState` finds to have had idle or overdue turns. */
export const idleTurnsChannel = "qp2p:idle-turns"

const idleTurns = channel(idleTurnsChannel)

/** Publishes the address of a peer whose connection has idle or overdue turns; does nothing without a subscriber. */
export const reportIdleTurns = (peer: NetAddress.InetAddress): void => {
  if (idleTurns.hasSubscribers) idleTurns.publish({ peer })
}
