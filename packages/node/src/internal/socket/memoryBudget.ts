/**
 * The limit for the memory that holds what the peers of a socket have sent and this side has not read: of all connections
 * together, and of those with one IP address.
 *
 * From three quarters of a limit on, the connection with the most is held back: only some of its packets are taken, the fewer
 * the nearer the limit is. Its peer takes the others for lost, sends more slowly, and loses nothing. The most is looked for
 * first among the IP addresses and then among the connections of one, so that many connections of one host do not cost
 * another host its one. What a connection may always hold does not count against it.
 *
 * Of the connections that are held back, one at a time has a grace: all of its packets are taken, so that its messages become
 * complete and make room. Partial messages of many peers would else wait for each other for ever. The IP addresses have their
 * graces in rounds, the one that holds least first. One that does not grow in its grace loses it.
 *
 * A connection is closed only above a limit, by more than one turn may take, when all others of its IP address are held back as
 * well. What is taken then does not get there.
 */
import * as NetAddress from "effect/net/NetAddress"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import {
  admitBelow,
  connectionAllowance,
  graceBelow,
  gracePeriod,
  holdBackAbove,
  ipShare,
  mostPerTurn
} from "../tunables/memory.ts"

/** The view of a connection. */
export interface Holder {
  /** In bytes of memory. */
  readonly unread: number
  /** The name under which its IP address counts. */
  readonly ipGroup: string
  readonly remoteAddress: NetAddress.InetAddress
  /** Whether only some of its packets are taken. */
  isHeldBack: boolean
  readonly close: (code: number, reason: string) => void
}

/** Adds up the unread bytes of all connections of one socket, and holds back or closes those with the most. */
export class MemoryBudget<C extends Holder> {
  private readonly limit: number
  private readonly onOverload: (peer: NetAddress.InetAddress, unread: number) => void
  private bytes = 0
  private readonly byIp = new Map<string, number>()
  /** The connections that hold more than they always may. */
  private readonly large = new Set<C>()
  /** The connections that are held back, and the one that has its grace. Those that had theirs last come last. */
  private readonly heldBack = new Set<C>()
  private graced: C | undefined = undefined
  /** For how long that connection has had its grace, in milliseconds, and what it held at the last look. */
  private graceElapsed = 0
  private gracedUnread = 0
  /** The IP addresses of which a connection had its grace in this round. */
  private readonly hadGrace = new Set<string>()

  /** `limit` in bytes. `onOverload` learns of each connection that is closed, and how many bytes waited on it. */
  constructor(options: {
    readonly limit: number
    readonly onOverload: (peer: NetAddress.InetAddress, unread: number) => void
  }) {
    this.limit = options.limit
    this.onOverload = options.onOverload
  }

  /**
   * Whether no further connection of an IP address is accepted: the unread bytes of all exceed the share of the limit up to
   * which any is, and those of this address exceed what each connection may hold. So two addresses that fill the limit keep no
   * other out.
   */
  isBehind(ipGroup: string): boolean {
    return this.bytes > this.limit * admitBelow && (this.byIp.get(ipGroup) ?? 0) > connectionAllowance
  }

  /** How much of a limit is in use, as a part of it: of the limit for all, or of that for the connection's IP address. */
  fill(connection: C): number {
    const ofIp = this.byIp.get(connection.ipGroup) ?? 0
    return Math.max(this.bytes / this.limit, ofIp / this.limitOfIp(connection))
  }

  /** Adds `by` unread bytes of one connection; a negative number for bytes that were read. */
  change(connection: C, by: number): void {
    const { ipGroup } = connection
    this.bytes += by
    const ofIp = (this.byIp.get(ipGroup) ?? 0) + by
    if (ofIp === 0) {
      this.byIp.delete(ipGroup)
      this.hadGrace.delete(ipGroup)
    } else this.byIp.set(ipGroup, ofIp)
    if (connection.unread > connectionAllowance) this.large.add(connection)
    else this.large.delete(connection)
    const limitOfIp = this.limitOfIp(connection)
    if (by < 0) {
      const [most, mostOfIp] = [this.limit * holdBackAbove, limitOfIp * holdBackAbove]
      const hasRoom = (this.bytes <= most && this.bytes - by > most) || (ofIp <= mostOfIp && ofIp - by > mostOfIp)
      if (hasRoom) for (const each of this.heldBack) this.releaseIfPossible(each)
      else if (this.heldBack.has(connection)) this.releaseIfPossible(connection)
      return
    }
    if (connection === this.graced && this.fill(connection) >= graceBelow) this.endGrace()
    const isHeldBack = this.heldBack.has(connection)
    if (this.bytes > this.limit * holdBackAbove) {
      this.restrain(undefined, isHeldBack, this.bytes > this.limit + mostPerTurn)
    } else if (ofIp > limitOfIp * holdBackAbove) this.restrain(ipGroup, isHeldBack, ofIp > limitOfIp + mostPerTurn)
  }

  /**
   * Grants the next of those that are held back its grace. Called by the sweep; the last call was `elapsed` milliseconds ago.
   */
  tick(elapsed: number): void {
    if (this.heldBack.size === 0) return
    const { graced } = this
    if (graced !== undefined) {
      this.graceElapsed += elapsed
      // One that gets smaller has completed something; one that stands still has nothing to send.
      const isGrowing = graced.unread > this.gracedUnread
      this.gracedUnread = graced.unread
      if (isGrowing && this.graceElapsed < gracePeriod) return
      this.endGrace()
    }
    const next = this.nextForGrace()
    if (next === undefined) return
    this.hadGrace.add(next.ipGroup)
    this.graced = next
    this.graceElapsed = 0
    this.gracedUnread = next.unread
    next.isHeldBack = false
  }

  /**
   * Returns the connection whose IP address holds least, of those addresses that have had no grace in this round; of one
   * address, the connection that had none for the longest time. When all have had theirs, the next round begins.
   */
  private nextForGrace(): C | undefined {
    let next: C | undefined
    let nextInRound: C | undefined
    for (const connection of this.heldBack) {
      if (this.fill(connection) >= graceBelow) continue
      if (this.isOfSmaller(connection, next)) next = connection
      if (!this.hadGrace.has(connection.ipGroup) && this.isOfSmaller(connection, nextInRound)) nextInRound = connection
    }
    if (nextInRound !== undefined) return nextInRound
    this.hadGrace.clear()
    return next
  }

  /** Whether the IP address of `connection` holds less than that of `other`. */
  private isOfSmaller({ ipGroup }: C, other: C | undefined): boolean {
    return other === undefined || (this.byIp.get(ipGroup) ?? 0) < (this.byIp.get(other.ipGroup) ?? 0)
  }

  /** Holds the connection back again that has its grace. Its next grace comes behind those of the others. */
  private endGrace(): void {
    const connection = this.graced!
    this.graced = undefined
    connection.isHeldBack = true
    this.heldBack.delete(connection)
    this.heldBack.add(connection)
  }

  /** Peers on this machine are no strangers, and often many: only the limit of all applies to them. */
  private limitOfIp({ remoteAddress }: C): number {
    return NetAddress.isLoopback(remoteAddress.address) ? this.limit : this.limit * ipShare
  }

  /**
   * Holds back the largest connection that is not held back yet: of an IP address, or else of the IP address with the most that
   * has one. If all are held back, and too much is held, closes the largest of all. `isHeldBack` tells whether the connection
   * is held back that has grown: the others are looked at when they grow.
   */
  private restrain(ipGroup: string | undefined, isHeldBack: boolean, isTooMuch: boolean): void {
    if (!isTooMuch && (isHeldBack || this.heldBack.size === this.large.size)) return
    let largest: C | undefined
    let next: C | undefined
    for (const connection of this.large) {
      if (ipGroup !== undefined && connection.ipGroup !== ipGroup) continue
      if (this.isLarger(connection, largest)) largest = connection
      if (!this.heldBack.has(connection) && this.isLarger(connection, next)) next = connection
    }
    if (next !== undefined) this.holdBack(next)
    else if (isTooMuch && largest !== undefined) this.close(largest)
  }

  private isLarger(connection: C, other: C | undefined): boolean {
    if (other === undefined) return true
    if (connection.ipGroup === other.ipGroup) return connection.unread > other.unread
    return (this.byIp.get(connection.ipGroup) ?? 0) > (this.byIp.get(other.ipGroup) ?? 0)
  }

  private close(connection: C): void {
    this.onOverload(connection.remoteAddress, connection.unread)
    connection.close(ErrorCode.overloaded, "the application does not keep up")
  }

  private holdBack(connection: C): void {
    connection.isHeldBack = true
    this.heldBack.add(connection)
  }

  private releaseIfPossible(connection: C): void {
    if (this.fill(connection) > holdBackAbove && connection.unread > connectionAllowance) return
    connection.isHeldBack = false
    this.heldBack.delete(connection)
    if (this.graced === connection) this.graced = undefined
  }
}
