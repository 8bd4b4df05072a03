/**
 * The limit for the memory that holds unread bytes of all connections of a socket, and of those with one IP address.
 *
 * Near the limit, the connection with the most is held back: only some of its packets are taken, and its peer takes the others for
 * lost and sends more slowly. Above the limit it is closed: the others continue, and its peer has to dial again. The most is
 * looked for first among the IP addresses and then among the connections of one, so that many connections of one host
 * do not cost another host its one.
 */
import * as NetAddress from "effect/net/NetAddress"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import { admitBelow, holdBackAbove, ipShare } from "../tunables.ts"

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
  private readonly connections: () => Iterable<C>
  private readonly onOverload: (peer: NetAddress.InetAddress, unread: number) => void
  private bytes = 0
  private readonly byIp = new Map<string, number>()
  private readonly heldBack = new Set<C>()

  /** `limit` in bytes. `onOverload` learns of each connection that is closed, and how many bytes waited on it. */
  constructor(options: {
    readonly limit: number
    readonly connections: () => Iterable<C>
    readonly onOverload: (peer: NetAddress.InetAddress, unread: number) => void
  }) {
    this.limit = options.limit
    this.connections = options.connections
    this.onOverload = options.onOverload
  }

  /** Whether the unread bytes exceed the share of the limit up to which peers are accepted. */
  get isBehind(): boolean {
    return this.bytes > this.limit * admitBelow
  }

  /** Adds `by` unread bytes of one connection; a negative number for bytes that were read. */
  change(connection: C, by: number): void {
    const { ipGroup } = connection
    this.bytes += by
    const ofIp = (this.byIp.get(ipGroup) ?? 0) + by
    if (ofIp === 0) this.byIp.delete(ipGroup)
    else this.byIp.set(ipGroup, ofIp)
    if (by < 0) {
      if (this.heldBack.size > 0) this.release()
      return
    }
    const limitOfIp = this.limitOfIp(connection)
    if (this.bytes > this.limit) this.close(this.largest(this.largestIp(), false))
    else if (ofIp > limitOfIp) this.close(this.largest(ipGroup, false))
    else if (this.bytes > this.limit * holdBackAbove) this.holdBack(this.largest(this.largestIp(), true))
    else if (ofIp > limitOfIp * holdBackAbove) this.holdBack(this.largest(ipGroup, true))
  }

  /** Peers on this machine are no strangers, and often many: only the limit of all applies to them. */
  private limitOfIp({ remoteAddress }: C): number {
    return NetAddress.isLoopback(remoteAddress.address) ? this.limit : this.limit * ipShare
  }

  private largestIp(): string {
    let largest = ""
    let most = 0
    for (const [ip, bytes] of this.byIp) {
      if (bytes <= most) continue
      most = bytes
      largest = ip
    }
    return largest
  }

  private largest(ipGroup: string, unlessHeldBack: boolean): C | undefined {
    let largest: C | undefined
    for (const connection of this.connections()) {
      if (connection.ipGroup !== ipGroup || connection.unread <= (largest?.unread ?? 0)) continue
      if (!unlessHeldBack || !connection.isHeldBack) largest = connection
    }
    return largest
  }

  private close(connection: C | undefined): void {
    if (connection === undefined) return
    this.onOverload(connection.remoteAddress, connection.unread)
    connection.close(ErrorCode.overloaded, "the application does not keep up")
  }

  private holdBack(connection: C | undefined): void {
    if (connection === undefined) return
    connection.isHeldBack = true
    this.heldBack.add(connection)
  }

  private release(): void {
    for (const connection of this.heldBack) {
      const ofIp = this.byIp.get(connection.ipGroup) ?? 0
      const isMuch = this.bytes > this.limit * holdBackAbove || ofIp > this.limitOfIp(connection) * holdBackAbove
      if (isMuch && connection.unread > 0) continue
      connection.isHeldBack = false
      this.heldBack.delete(connection)
    }
  }
}
