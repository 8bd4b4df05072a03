/**
 * How often a socket sweeps over its connections, and which of them a sweep looks at: all of them at the usual interval, and
 * those whose peer has a short idle timeout more often.
 */
import { keepAliveInterval } from "@qp2p/core/KeepAlive"
import type { Limits } from "../connection/liveness.ts"
import { freshFor, maxSweep, minSweep } from "../tunables/turns.ts"

/** The view of a connection. */
interface Swept {
  /** The idle timeout that both sides agreed on, in milliseconds. */
  readonly idleTimeout: () => number
}

/**
 * Computes the interval of the sweeps of one socket, in milliseconds, and calls `tick` for the connections that are due.
 */
export class Sweeps<C extends Swept> {
  private readonly limits: Limits
  private readonly usual: number
  private readonly tick: (connection: C, elapsed: number, limits: Limits) => void
  private readonly onSooner: () => void
  /** The connections that are looked at more often, and how often, in milliseconds. */
  private readonly frequent = new Map<C, number>()
  /**
   * Connections whose idle timeout is not known yet, and how old they are, in milliseconds. To ask the binding is expensive, and
   * many connections end before it matters.
   */
  private readonly fresh = new Map<C, number | undefined>()
  private unswept = 0
  private isEarly = false

  constructor(options: {
    readonly limits: Limits
    /** This side's, in milliseconds. */
    readonly idleTimeout: number
    /** Looks at one connection; the last look was `elapsed` milliseconds ago. */
    readonly tick: (connection: C, elapsed: number, limits: Limits) => void
    /** `interval` has become shorter. */
    readonly onSooner: () => void
  }) {
    const { handshake, keepAlive, stall } = options.limits
    this.limits = options.limits
    this.usual = sweepInterval(Math.min(keepAliveInterval(keepAlive, options.idleTimeout), handshake, stall))
    this.tick = options.tick
    this.onSooner = options.onSooner
  }

  /** The time until the next sweep, in milliseconds. */
  get interval(): number {
    let interval = this.fresh.size > 0 ? Math.min(this.usual, freshFor) : this.usual
    for (const other of this.frequent.values()) interval = Math.min(interval, other)
    return interval
  }

  /** The connection's handshake is complete. */
  add(connection: C): void {
    this.fresh.set(connection, undefined)
    if (this.isEarly) return
    this.isEarly = true
    this.onSooner()
  }

  delete(connection: C): void {
    this.fresh.delete(connection)
    this.frequent.delete(connection)
  }

  /** Sweeps over the connections of the socket; the last sweep was `elapsed` milliseconds ago. */
  sweep(elapsed: number, all: Iterable<C>, limits = this.limits): void {
    const isEarly = this.isEarly || this.frequent.size > 0
    this.isEarly = false
    this.unswept += elapsed
    this.sortFresh(elapsed)
    for (const connection of this.frequent.keys()) this.tick(connection, elapsed, limits)
    if (isEarly && this.unswept < this.usual) return
    for (const connection of all) if (!this.frequent.has(connection)) this.tick(connection, this.unswept, limits)
    this.unswept = 0
  }

  private sortFresh(elapsed: number): void {
    for (const [connection, age] of this.fresh) {
      // The first sweep may come right after the connection was added.
      const older = age === undefined ? 0 : age + elapsed
      this.fresh.set(connection, older)
      if (older < Math.min(this.usual, freshFor)) continue
      this.fresh.delete(connection)
      const interval = sweepInterval(keepAliveInterval(this.limits.keepAlive, connection.idleTimeout()))
      if (interval < this.usual) this.frequent.set(connection, interval)
    }
    if (this.fresh.size > 0) this.isEarly = true
  }
}

/** How often to look at what is due after `limit`. Both in milliseconds. */
const sweepInterval = (limit: number): number => Math.min(Math.max(limit / 8, minSweep), maxSweep)
