/**
 * The places of a socket for connections. Some are kept for dials of this side. When there is no other left, an accepted
 * connection gives up its place: one that its owner has not used, the oldest of the IP address with the most of those; or else
 * the one that is idle for the longest time, if that is `evictableIdle`. Connections that this side dialled stay.
 *
 * It gives up its place only once the handshake of the new one is complete: a host that only begins handshakes closes no
 * connection. Until then the new one is pending, and has no place. `maxConnections` does not count those that are pending;
 * their number is bounded.
 */
import * as ErrorCode from "@qp2p/core/ErrorCode"
import { dialShare, evictableIdle, pendingShare } from "../tunables/places.ts"
import { LargestFirst } from "./largestFirst.ts"

/** The view of a connection. */
export interface Occupant {
  readonly dialled: boolean
  /** The name under which its IP address counts. */
  readonly ipGroup: string
  /** Whether anything of the application has passed on it. */
  readonly isUsed: boolean
  /** Whether messages that have arrived on it wait for room. */
  readonly holdsMessages: boolean
  /** Whether something of this side's waits on it for the peer. */
  readonly isAwaited: boolean
  /** Changes whenever anything passes on its streams. */
  readonly streamWork: number
  readonly close: (code: number, reason: string) => void
}

/** The view of the table. */
interface Table<C> {
  /** How many connections have not ended, and how many of those were accepted. */
  readonly open: number
  readonly accepted: number
  /** The connection counts no longer. */
  readonly end: (connection: C) => void
}

interface Activity {
  work: number
  /** When something was last found to have passed, in milliseconds of Effect's clock. */
  at: number
}

/** Decides whether there is a place for another connection, and takes one from a connection that needs it least. */
export class Places<C extends Occupant> {
  private readonly table: Table<C>
  private readonly most: number
  private readonly mostAccepted: number
  private readonly onEvicted: (connection: C) => void
  /** The accepted connections that were not used when this was last checked, and the others by their last activity. */
  private readonly unused = new LargestFirst<C>()
  private readonly used = new Map<C, Activity>()
  /** The accepted connections whose handshakes are under way, and which have no place. */
  private readonly pending = new Set<C>()
  private readonly maxPending: number

  constructor(options: {
    readonly table: Table<C>
    readonly maxConnections: number
    readonly onEvicted: (connection: C) => void
  }) {
    this.table = options.table
    this.most = options.maxConnections
    this.mostAccepted = options.maxConnections - Math.floor(options.maxConnections * dialShare)
    this.maxPending = Math.max(1, Math.floor(options.maxConnections * pendingShare))
    this.onEvicted = options.onEvicted
  }

  /** Whether a connection of a peer's needs the place of another one. */
  get isFullForPeers(): boolean {
    return this.table.accepted - this.pending.size >= this.mostAccepted || this.isFull
  }

  /** Whether a dial of this side's needs the place of a connection. */
  get isFull(): boolean {
    return this.table.open - this.pending.size >= this.most
  }

  /** A peer has begun a handshake, and the connection will need the place of another one. */
  addPending(connection: C): void {
    this.pending.add(connection)
  }

  /**
   * A peer's connection is established, at `now`, and the peer admitted. Before, it keeps the place that it has until the
   * handshake timeout. Returns false when it was pending, and no connection gives up its place.
   */
  add(connection: C, now: number): boolean {
    if (this.pending.has(connection)) {
      if (this.isFullForPeers && !this.evict(now)) return false
      this.pending.delete(connection)
    }
    this.unused.add(connection.ipGroup, connection)
    return true
  }

  /** A connection has ended. */
  delete(connection: C): void {
    if (this.pending.delete(connection)) return
    if (!this.unused.delete(connection.ipGroup, connection)) this.used.delete(connection)
  }

  /** Looks at a connection, at `now`. Called by the sweep, so that nothing is to be done for each message. */
  tick(connection: C, now: number): void {
    const activity = this.used.get(connection)
    if (activity !== undefined) {
      if (activity.work !== connection.streamWork) this.touch(connection, now)
    } else if (!connection.dialled && connection.isUsed && this.unused.delete(connection.ipGroup, connection)) {
      this.touch(connection, now)
    }
  }

  /** Whether a further connection of a peer's can be pending, and a connection can give up its place, at `now`. */
  canEvict(now: number): boolean {
    return this.pending.size < this.maxPending && this.candidate(now) !== undefined
  }

  /** Closes the connection that needs its place least. Returns false when there is none. */
  evict(now: number): boolean {
    const connection = this.candidate(now)
    if (connection === undefined) return false
    this.delete(connection)
    this.table.end(connection)
    this.onEvicted(connection)
    connection.close(ErrorCode.evicted, "no room for idle connections")
    return true
  }

  /** Each connection that proves to be in use is not looked at again before it may have become idle. */
  private candidate(now: number): C | undefined {
    for (let first = this.unused.first; first !== undefined; first = this.unused.first) {
      if (!first.isUsed && !first.holdsMessages) return first
      this.unused.delete(first.ipGroup, first)
      this.touch(first, now)
    }
    for (const [connection, { at, work }] of this.used) {
      if (now - at < evictableIdle) return undefined
      const isIdle = work === connection.streamWork && !connection.isAwaited && !connection.holdsMessages
      if (isIdle) return connection
      this.touch(connection, now)
    }
    return undefined
  }

  /** Something has passed on the connection: it comes after all others. */
  private touch(connection: C, now: number): void {
    this.used.delete(connection)
    this.used.set(connection, { work: connection.streamWork, at: now })
  }
}
