/**
 * How often connections are looked at, and which of them: all at the usual interval, and those whose peer has a short idle
 * timeout more often, without the others.
 */
import { keepAliveInterval } from "@qp2p/core/KeepAlive"
import type { Connection } from "../connection/connection.ts"
import { firstLook, maxSweep, minSweep } from "../tunables.ts"
import type { Limits } from "../connection/liveness.ts"

export class Sweeps {
  private readonly limits: Limits
  private readonly usual: number
  private readonly look: (connection: Connection, elapsed: number, limits: Limits) => void
  private readonly onSooner: () => void
  /** Those that are looked at more often, and how often. */
  private readonly frequent = new Map<Connection, number>()
  /**
   * Those of which it is not known yet, and for how long they have been there. To ask the binding is dear, and many
   * connections are gone before it matters.
   */
  private readonly fresh = new Map<Connection, number | undefined>()
  private unswept = 0
  private isEarly = false

  constructor(options: {
    readonly limits: Limits
    /** This side's, in milliseconds. */
    readonly idleTimeout: number
    readonly look: (connection: Connection, elapsed: number, limits: Limits) => void
    /** `interval` has become shorter. */
    readonly onSooner: () => void
  }) {
    const { handshake, keepAlive, stall } = options.limits
    this.limits = options.limits
    this.usual = lookInterval(Math.min(keepAliveInterval(keepAlive, options.idleTimeout), handshake, stall))
    this.look = options.look
    this.onSooner = options.onSooner
  }

  /** Until the next sweep, in milliseconds. */
  get interval(): number {
    let interval = this.fresh.size > 0 ? Math.min(this.usual, firstLook) : this.usual
    for (const other of this.frequent.values()) interval = Math.min(interval, other)
    return interval
  }

  /** The connection's handshake is complete. */
  add(connection: Connection): void {
    this.fresh.set(connection, undefined)
    if (this.isEarly) return
    this.isEarly = true
    this.onSooner()
  }

  delete(connection: Connection): void {
    this.fresh.delete(connection)
    this.frequent.delete(connection)
  }

  /** The last sweep was `elapsed` milliseconds ago; these connections are there. */
  sweep(elapsed: number, all: Iterable<Connection>, limits = this.limits): void {
    const isEarly = this.isEarly || this.frequent.size > 0
    this.isEarly = false
    this.unswept += elapsed
    this.sort(elapsed)
    for (const connection of this.frequent.keys()) this.look(connection, elapsed, limits)
    if (isEarly && this.unswept < this.usual) return
    for (const connection of all) if (!this.frequent.has(connection)) this.look(connection, this.unswept, limits)
    this.unswept = 0
  }

  private sort(elapsed: number): void {
    for (const [connection, age] of this.fresh) {
      // The first sweep comes at any time after it was added.
      const older = age === undefined ? 0 : age + elapsed
      this.fresh.set(connection, older)
      if (older < Math.min(this.usual, firstLook)) continue
      this.fresh.delete(connection)
      const interval = lookInterval(keepAliveInterval(this.limits.keepAlive, connection.idleTimeout()))
      if (interval < this.usual) this.frequent.set(connection, interval)
    }
    if (this.fresh.size > 0) this.isEarly = true
  }
}

/** How often to look for what is to be done after `limit`. All in milliseconds. */
const lookInterval = (limit: number): number => Math.min(Math.max(limit / 8, minSweep), maxSweep)
