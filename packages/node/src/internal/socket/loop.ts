/**
 * The loop of a socket: gives a turn to each connection that has an event, or whose deadline has come.
 *
 * A turn has three phases. On `setImmediate`, with every packet taken that has arrived, each connection reads. A microtask
 * later, when the application has run on what it was handed, each confirms, writes and flushes. The packets of all of them go
 * to the kernel as one batch that is not waited for, and what does not change the packets comes after that. Flushing after each
 * packet halves the throughput, waiting for the batch divides it by five, and writing right after reading sends an
 * acknowledgement alone and the application's answer in the next turn.
 */
import type * as NetAddress from "effect/net/NetAddress"
import type { TurnState } from "./turnState.ts"
import * as tunables from "../tunables/turns.ts"
import { Deadlines, type Due } from "./deadlines.ts"
import { reportIdleTurns } from "./idleTurns.ts"
import { TurnQueue } from "./turnQueue.ts"

/** The view of a connection. */
export interface Scheduled extends Due {
  readonly turnState: TurnState
  readonly turns: {
    /** The three phases of a turn that began at `now`. */
    readonly read: (now: number) => void
    readonly write: (now: number, isSaturated: boolean) => void
    readonly afterDispatch: (now: number) => void
    /** The deadline has come. */
    readonly expire: () => void
    /** Moves a deadline that has passed at `now`, or that is later than `until`, to `until`. */
    readonly pauseUntil: (until: number, now: number) => void
    /** Whether more has arrived than one turn reads. */
    readonly isUnread: boolean
    /** Counts what the connection does. */
    readonly work: number
  }
  /** The name under which its peer's IP address counts. */
  readonly ipGroup: string
  /** Whether it has ended. */
  readonly hasEnded: boolean
  readonly remoteAddress: NetAddress.InetAddress
  /** Ends it at once. */
  readonly abandon: () => void
}

const systemNow = (): number => performance.now()

/**
 * Schedules the turns of all connections of one socket, with one timer for all deadlines, and contains defects to the
 * connection they occur in.
 */
export class Loop<C extends Scheduled> {
  private readonly scheduled = new TurnQueue<C>()
  /** The connections that have read in this turn, and those that have written. */
  private readonly reading: Array<C> = []
  private readonly written: Array<C> = []
  private readonly deadlines = new Deadlines<C>()
  /** The connection whose turn is running. */
  private running: C | undefined = undefined
  private immediate: NodeJS.Immediate | undefined = undefined
  private timer: NodeJS.Timeout | undefined = undefined
  private timerAt = Infinity
  private stopped = false
  /** How many datagrams have come since the loop last looked, and since when there have been more of them than one poll takes. */
  private arrived = 0
  private floodedSince: number | undefined = undefined
  private readonly now: () => number
  private readonly dispatch: () => void
  private readonly onClosed: (connection: C) => void
  private readonly onDefect: (defect: unknown) => void

  constructor(options: {
    /** Hands the packets that connections have flushed to the kernel. */
    readonly dispatch: () => void
    /** The connection has had its last turn. */
    readonly onClosed: (connection: C) => void
    readonly onDefect: (defect: unknown) => void
    /** The system's clock in milliseconds; a test stops it, so that no turn takes any time. */
    readonly now?: () => number
  }) {
    this.now = options.now ?? systemNow
    this.dispatch = options.dispatch
    this.onClosed = options.onClosed
    this.onDefect = options.onDefect
  }

  /** Gives the connection a turn soon, unless it has ended. */
  schedule(connection: C): void {
    if (connection.turnState.isScheduled || connection.hasEnded) return
    connection.turnState.schedule(this.running === connection)
    this.scheduled.push(connection)
    this.scheduleTurn()
  }

  /** A datagram has come. */
  received(): void {
    this.arrived += 1
  }

  /** Has a turn take place soon: if no connection has a turn, something else is to be dispatched. */
  scheduleTurn(): void {
    if (this.immediate === undefined && !this.stopped) this.immediate = setImmediate(this.readPhase)
  }

  /**
   * Gives the connection a turn at its deadline at the latest. The binding keeps its timers by the system's clock, so this
   * timer cannot be on Effect's. One timer serves all connections.
   */
  updateDeadline(connection: C): void {
    this.deadlines.update(connection)
    this.setTimer()
  }

  /** Gives the connection no more turns. */
  remove(connection: C): void {
    this.deadlines.delete(connection)
    this.onClosed(connection)
  }

  /** Runs `body`. A defect in it, a mistake of the driver's or of a callback, costs this connection and no other. */
  guarded(connection: C, body: () => void): void {
    try {
      body()
    } catch (defect) {
      this.onDefect(defect)
      try {
        connection.abandon()
      } catch (another) {
        // Its owner has been told of the end, as far as that is possible.
        this.onDefect(another)
      }
      this.remove(connection)
    }
  }

  /** Runs a part of the connection's turn. */
  private inTurn(connection: C, body: () => void): void {
    this.running = connection
    this.guarded(connection, body)
    this.running = undefined
  }

  stop(): void {
    this.stopped = true
    if (this.immediate !== undefined) clearImmediate(this.immediate)
    if (this.timer !== undefined) clearTimeout(this.timer)
  }

  /** Whether more datagrams probably wait in the kernel, and the turns can wait until they are taken. */
  private isFlooded(now: number): boolean {
    const isFull = this.arrived >= tunables.datagramsPerPoll
    this.arrived = 0
    if (isFull && now - (this.floodedSince ??= now) < tunables.maxTurn) return true
    this.floodedSince = undefined
    return false
  }

  private readonly readPhase = (): void => {
    const now = this.now()
    if (this.isFlooded(now)) {
      this.immediate = setImmediate(this.readPhase)
      return
    }
    const enough = now + tunables.maxTurn / 2
    while (this.scheduled.length > 0) {
      const connection = this.scheduled.shift()!
      connection.turnState.begin()
      this.reading.push(connection)
      this.inTurn(connection, () => connection.turns.read(now))
      if (this.now() >= enough) break
    }
    // The application runs first on what it was handed, so that its answer leaves with the acknowledgement.
    queueMicrotask(this.writePhase)
  }

  private readonly writePhase = (): void => {
    this.immediate = undefined
    const now = this.now()
    const enough = now + tunables.maxTurn / 2
    const reading = this.reading.splice(0)
    const isSaturated = reading.length >= tunables.saturatedAt
    for (const connection of reading) {
      connection.turnState.unschedule()
      // When the turn has taken long enough, the others write in the next one, after what has arrived meanwhile.
      if (this.now() >= enough) this.schedule(connection)
      else {
        this.inTurn(connection, () => connection.turns.write(now, isSaturated))
        this.written.push(connection)
        if (connection.turns.isUnread) this.inTurn(connection, () => this.schedule(connection))
      }
    }
    if (!this.stopped) this.dispatch()
    this.afterDispatch(now)
    if (!this.stopped && this.scheduled.length > 0) this.scheduleTurn()
  }

  private afterDispatch(now: number): void {
    for (const connection of this.written.splice(0)) {
      this.inTurn(connection, () => connection.turns.afterDispatch(now))
      if (connection.hasEnded) this.remove(connection)
      else {
        const { turnState, turns } = connection
        const idle = turnState.isIdleAgain(turns.work)
        if (turnState.isOverdueAgain(connection.deadline, now) || idle) this.slowDown(connection, now)
      }
    }
  }

  /** Postpones the next turn of a connection that asks for turns and does nothing: it must not keep a processor busy. */
  private slowDown(connection: C, now: number): void {
    reportIdleTurns(connection.remoteAddress)
    if (connection.turnState.isScheduled) {
      connection.turnState.unschedule()
      this.scheduled.remove(connection)
    }
    connection.turns.pauseUntil(this.now() + tunables.idleTurnPause, now)
    this.updateDeadline(connection)
  }

  private setTimer(): void {
    const { next } = this.deadlines
    if (next >= this.timerAt || this.stopped) return
    if (this.timer !== undefined) clearTimeout(this.timer)
    this.timerAt = next
    this.timer = setTimeout(this.onTimer, Math.min(Math.max(0, next - this.now()), 0x7fffffff))
  }

  private readonly onTimer = (): void => {
    this.timer = undefined
    this.timerAt = Infinity
    const now = this.now()
    for (let due = this.deadlines.take(now); due !== undefined; due = this.deadlines.take(now)) {
      const connection = due
      this.guarded(connection, () => connection.turns.expire())
      if (connection.hasEnded) this.remove(connection)
    }
    this.setTimer()
  }
}
