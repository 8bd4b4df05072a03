/**
 * Turns in which a connection does nothing, although it asked for them itself, at once or by a deadline that is over.
 *
 * A connection whose turn asks for the next one has more to do. When neither of the two does anything, each next one asks
 * again, and the loop keeps a processor busy for ever. That is a mistake of the driver's: it is published on a channel of
 * `node:diagnostics_channel`, and every test of this repository fails that sees it there.
 */
import { channel } from "node:diagnostics_channel"
import type * as NetAddress from "effect/net/NetAddress"
import { mostOverdueTurns } from "../tunables.ts"

/** Publishes `{ peer }` for each connection that had two turns in a row without any work, or many for the same deadline. */
export const idleTurnsChannel = "qp2p:idle-turns"

const idleTurns = channel(idleTurnsChannel)

export const reportIdleTurns = (peer: NetAddress.InetAddress): void => {
  if (idleTurns.hasSubscribers) idleTurns.publish({ peer })
}

/** What is looked at of a connection, and remembered with it. */
export interface Turning {
  /** Counts what the connection does: packets in and out, bytes and ends of streams handed on, streams confirmed. */
  readonly work: number
  /** Whether it asked for this turn during the turn before. */
  readonly turnIsOwn: boolean
  /** `work` after the last turn, and whether that turn did nothing. */
  workSeen: number
  wasIdle: boolean
  /** When it wants its next turn, and how many turns in a row have left that in the past. */
  readonly deadline: number
  overdue: number
}

/** Asked after each turn: whether this turn and the one before did nothing, although that one asked for this one. */
export const isIdleAgain = (connection: Turning): boolean => {
  const { work } = connection
  const idle = work === connection.workSeen
  const again = idle && connection.wasIdle && connection.turnIsOwn
  connection.workSeen = work
  connection.wasIdle = idle
  return again
}

/**
 * Asked after each turn, which began at `now`: whether several in a row have left a deadline that had come by then. The next
 * turn is due at once, and so is each after it.
 */
export const isOverdueAgain = (connection: Turning, now: number): boolean => {
  connection.overdue = connection.deadline <= now ? connection.overdue + 1 : 0
  return connection.overdue > mostOverdueTurns
}
