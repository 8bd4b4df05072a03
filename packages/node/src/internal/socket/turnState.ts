/**
 * The scheduling state of one connection. Only the socket's loop changes it. It is kept with the connection so that the loop
 * needs no look-up for each packet.
 *
 * It also notices turns in which a connection does nothing, although the connection asked for them itself, at once or by a
 * deadline that has passed. Each such turn asks for the next one, and the loop would keep a processor busy for ever.
 */
import { maxOverdueTurns } from "../tunables/turns.ts"

/** Records whether a connection is scheduled, and counts turns that did nothing or left their deadline in the past. */
export class TurnState {
  private scheduled = false
  /** Whether the connection asked for its next turn itself, and for the current one. */
  private nextIsOwn = false
  private isOwn = false
  /** The connection's `work` after its last turn, and whether that turn did nothing. */
  private workSeen = 0
  private wasIdle = false
  /** How many turns in a row have left the deadline in the past. */
  private overdue = 0

  get isScheduled(): boolean {
    return this.scheduled
  }

  /** Schedules a turn. `own` tells whether the connection asks for it in its own turn. */
  schedule(own: boolean): void {
    this.scheduled = true
    this.nextIsOwn = own
  }

  /** The turn begins. */
  begin(): void {
    this.isOwn = this.nextIsOwn
  }

  /** From here on another turn can be scheduled. */
  unschedule(): void {
    this.scheduled = false
  }

  /**
   * Called after each turn with what the connection has done in all. Returns whether this turn and the one before did nothing,
   * although the turn before asked for this one.
   */
  isIdleAgain(work: number): boolean {
    const idle = work === this.workSeen
    const again = idle && this.wasIdle && this.isOwn
    this.workSeen = work
    this.wasIdle = idle
    return again
  }

  /**
   * Called after each turn, which began at `now`. Returns whether several turns in a row have left a deadline that had passed
   * by then: the next turn is due at once, and so is each after it.
   */
  isOverdueAgain(deadline: number, now: number): boolean {
    this.overdue = deadline <= now ? this.overdue + 1 : 0
    return this.overdue > maxOverdueTurns
  }
}
