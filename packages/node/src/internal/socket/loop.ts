/**
 * Gives each connection of a socket that something happened to, or whose deadline has come, a turn.
 *
 * Every packet that has arrived is taken first; then, on `setImmediate`, each connection reads; then, a microtask later,
 * so that the application has run on what it was handed, each confirms, writes and flushes; the packets of all of them go
 * to the kernel as one batch that nobody waits for; and what does not change them comes after that. Flushing after each
 * packet halves the throughput, waiting for the batch divides it by five, and writing right after reading sends an
 * acknowledgement alone and the application's answer in the next turn.
 */
import { Fifo } from "@qp2p/core/Fifo"
import type { Connection } from "../connection/connection.ts"
import { Deadlines } from "./deadlines.ts"
import { isIdleAgain, isOverdueAgain, reportIdleTurns } from "./idleTurns.ts"
import * as tunables from "../tunables.ts"

const systemNow = (): number => performance.now()

export class Loop {
  private readonly touched = new Fifo<Connection>()
  /** Those whose turn it is. */
  private readonly turning: Array<Connection> = []
  /** Those that have written in this turn. */
  private readonly concluding: Array<Connection> = []
  private readonly deadlines = new Deadlines<Connection>()
  /** The connection whose turn is running. */
  private running: Connection | undefined = undefined
  private immediate: NodeJS.Immediate | undefined = undefined
  private timer: NodeJS.Timeout | undefined = undefined
  private timerAt = Infinity
  private stopped = false
  private readonly now: () => number
  private readonly dispatch: () => void
  private readonly onOver: (connection: Connection) => void
  private readonly onDefect: (defect: unknown) => void

  constructor(options: {
    /** Hands what the connections have flushed to the kernel. */
    readonly dispatch: () => void
    /** A connection has had its last turn. */
    readonly onOver: (connection: Connection) => void
    readonly onDefect: (defect: unknown) => void
    /** The system's clock in milliseconds; a test stops it, so that no turn takes any time. */
    readonly now?: () => number
  }) {
    this.now = options.now ?? systemNow
    this.dispatch = options.dispatch
    this.onOver = options.onOver
    this.onDefect = options.onDefect
  }

  /** Gives the connection a turn soon. One that is over never gets another: its deadline is what ends its draining. */
  touch(connection: Connection): void {
    if (connection.touched || connection.isOver) return
    connection.touched = true
    connection.asksForTurn = this.running === connection
    this.touched.push(connection)
    this.turnSoon()
  }

  /** There is something to dispatch, if nothing else. */
  turnSoon(): void {
    if (this.immediate === undefined && !this.stopped) this.immediate = setImmediate(this.turn)
  }

  /**
   * Gives the connection a turn at its deadline at the latest. The binding keeps its timers by the system's clock, so this
   * one cannot be on Effect's. One serves all connections.
   */
  wake(connection: Connection): void {
    this.deadlines.update(connection)
    this.setTimer()
  }

  /** The connection gets no more turns. */
  forget(connection: Connection): void {
    this.deadlines.delete(connection)
    this.onOver(connection)
  }

  /** A defect, a mistake of ours or of a callback, costs its connection, and no other. */
  guarded(connection: Connection, body: () => void): void {
    try {
      body()
    } catch (defect) {
      this.onDefect(defect)
      try {
        connection.abandon()
      } catch (another) {
        // Its end has been told to whom it could be.
        this.onDefect(another)
      }
      this.forget(connection)
    }
  }

  /** A part of the connection's turn. */
  private inTurn(connection: Connection, body: () => void): void {
    this.running = connection
    this.guarded(connection, body)
    this.running = undefined
  }

  stop(): void {
    this.stopped = true
    if (this.immediate !== undefined) clearImmediate(this.immediate)
    if (this.timer !== undefined) clearTimeout(this.timer)
  }

  private readonly turn = (): void => {
    const now = this.now()
    const enough = now + tunables.maxTurn / 2
    while (this.touched.length > 0) {
      const connection = this.touched.shift()!
      connection.turnIsOwn = connection.asksForTurn
      this.turning.push(connection)
      this.inTurn(connection, () => connection.read(now))
      if (this.now() >= enough) break
    }
    // Whoever was handed something runs first: its answer goes with the acknowledgement.
    queueMicrotask(this.finishTurn)
  }

  private readonly finishTurn = (): void => {
    this.immediate = undefined
    const now = this.now()
    const enough = now + tunables.maxTurn / 2
    const turning = this.turning.splice(0)
    const company = turning.length >= tunables.company
    for (const connection of turning) {
      connection.touched = false
      // The others, after what has come in the meantime.
      if (this.now() >= enough) this.touch(connection)
      else {
        this.inTurn(connection, () => connection.write(now, company))
        this.concluding.push(connection)
        if (connection.isUnread) this.inTurn(connection, () => this.touch(connection))
      }
    }
    if (!this.stopped) this.dispatch()
    for (const connection of this.concluding.splice(0)) {
      this.inTurn(connection, () => connection.conclude(now))
      if (connection.phase === "closed") this.forget(connection)
      else {
        const again = isIdleAgain(connection)
        if (isOverdueAgain(connection, now) || again) this.slowDown(connection, now)
      }
    }
    if (this.stopped) return
    if (this.touched.length > 0) this.turnSoon()
  }

  /** A connection asks for turns in which it does nothing: a mistake of ours, which must not cost a whole processor. */
  private slowDown(connection: Connection, now: number): void {
    reportIdleTurns(connection.remoteAddress)
    if (connection.touched) {
      connection.touched = false
      this.touched.remove(connection)
    }
    const pause = this.now() + tunables.idleTurnPause
    connection.deadline = connection.deadline <= now ? pause : Math.min(connection.deadline, pause)
    this.wake(connection)
  }

  private setTimer(): void {
    const { next } = this.deadlines
    if (next >= this.timerAt || this.stopped) return
    if (this.timer !== undefined) clearTimeout(this.timer)
    this.timerAt = next
    this.timer = setTimeout(this.alarm, Math.min(Math.max(0, next - this.now()), 0x7fffffff))
  }

  private readonly alarm = (): void => {
    this.timer = undefined
    this.timerAt = Infinity
    const now = this.now()
    for (let due = this.deadlines.take(now); due !== undefined; due = this.deadlines.take(now)) {
      const connection = due
      this.guarded(connection, () => connection.expire())
      if (connection.phase === "closed") this.forget(connection)
    }
    this.setTimer()
  }
}
