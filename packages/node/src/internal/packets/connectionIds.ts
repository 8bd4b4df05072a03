/**
 * The connection ids that the peer may address its packets to (RFC 9000, section 5.1): that of the handshake, and spare ones.
 *
 * A peer that finds this side at another address may validate the path before it follows, with an id that it has not used
 * before. Without a spare id it does not follow, and the connection is lost. Ids that the peer retires are replaced at a
 * limited rate: to retire one costs the peer 3 bytes, and this side a frame of 54 bytes and a place in the socket's table.
 *
 * Each id has a stateless reset token, but for that of some handshakes: a client cannot tell one there (RFC 9000, section
 * 18.2), and after a Retry the binding cannot. So the peer is to retire such an id, soon after the handshake is confirmed.
 */
import type { NativeConnection } from "../binding/native.ts"
import { keyOf } from "./packetHeader.ts"
import type { IssuedId } from "./idSupply.ts"
import * as tunables from "../tunables/connectionIds.ts"

/** The view of the connection, which registers the ids. */
export interface ConnectionIdsHost {
  readonly native: NativeConnection
  readonly addId: (key: string) => void
  readonly removeId: (key: string) => void
  /** Makes an id with a stateless reset token. */
  readonly newId: () => IssuedId
  /** Whether the peer can do without the id of the handshake. */
  readonly canRetireFirst: () => boolean
}

/**
 * Issues the connection ids of one connection and replaces retired ones: at most one in `connectionIdInterval` milliseconds
 * beyond the initial allowance.
 */
export class ConnectionIds {
  private readonly host: ConnectionIdsHost
  /** How many ids the peer has, and may have: at least two (RFC 9000, section 18.2). */
  private active = 1
  private limit = 2
  private limitKnown = false
  /** How many ids may be replaced at once. */
  private credit: number = tunables.maxConnectionIds
  /** Whether the peer has changed to another id, and may have retired the one before. */
  private hasChanged = false
  /** The id that the last packet came for. */
  private lastUsed: string
  /** The ids that the peer has retired last, and for how long there was no further one, in milliseconds. */
  private retired: { readonly keys: Array<string>; since: number } | undefined = undefined
  /** Whether the id of the handshake has no token, and the peer was not told to retire it. */
  private hasToMove: boolean

  /** `first` is the key of the handshake's id, and `hasToken` tells whether the peer knows a stateless reset token of it. */
  constructor(host: ConnectionIdsHost, first: string, hasToken: boolean) {
    this.host = host
    this.lastUsed = first
    this.hasToMove = !hasToken
  }

  /** Issues one id as the dialler's handshake completes: every peer stores at least two. Returns whether that was possible. */
  issueFirst(): boolean {
    return this.issue()
  }

  /**
   * Issues the other ids, at the first call, since to learn how many the peer stores costs too much during a dial; and the ids
   * that could not be replaced at once. The last call was `elapsed` milliseconds ago. Returns whether there is a frame to send.
   */
  tick(elapsed: number): boolean {
    this.forgetRetired(elapsed)
    const hasIssued = this.issueDue(elapsed)
    if (!this.hasToMove || !this.host.canRetireFirst()) return hasIssued
    this.hasToMove = false
    return this.issue(true) || hasIssued
  }

  private issueDue(elapsed: number): boolean {
    if (!this.limitKnown) {
      this.limitKnown = true
      this.limit = Math.min(this.host.native.stats().peerActiveConnIdLimit, tunables.maxConnectionIds)
      const before = this.active
      while (this.active < this.limit) this.issue()
      return this.active > before
    }
    if (this.credit >= tunables.maxConnectionIds) return false
    this.credit = Math.min(this.credit + elapsed / tunables.connectionIdInterval, tunables.maxConnectionIds)
    return this.replace()
  }

  /**
   * Whether a packet for this id may be handed to the binding, which closes the connection because of a late packet for an id
   * that the peer has retired. The peer uses another id before it retires one, so nothing has changed as long as packets come
   * for the same id.
   */
  accepts(key: string): boolean {
    if (key === this.lastUsed) return true
    this.readRetired()
    if (this.retired?.keys.includes(key)) return false
    this.lastUsed = key
    this.hasChanged = true
    return true
  }

  /**
   * Called after the binding has taken a packet. When two packets retire the same id, as retransmissions do, the second one
   * makes the binding close the connection if only one id is left. So another id is issued between them.
   */
  taken(): void {
    if (this.hasChanged && this.readRetired()) this.hasChanged = false
  }

  /** Reads the ids that the peer has retired, which the binding lists until they are read. Returns whether there were any. */
  readRetired(): boolean {
    const { host } = this
    let any = false
    for (let id = host.native.retiredScidNext(); id !== null; id = host.native.retiredScidNext()) {
      any = true
      this.active -= 1
      this.retired ??= { keys: [], since: 0 }
      this.retired.keys.push(keyOf(id))
      this.retired.since = 0
      // Packets for the latest retired ids still belong to this connection: they are late, and no stateless resets.
      if (this.retired.keys.length > tunables.maxConnectionIds) host.removeId(this.retired.keys.shift()!)
    }
    if (any) this.replace()
    return any
  }

  private replace(): boolean {
    const before = this.active
    while (this.active < this.limit && this.credit >= 1) {
      this.credit -= 1
      this.issue()
    }
    return this.active > before
  }

  private forgetRetired(elapsed: number): void {
    const { retired } = this
    if (retired === undefined) return
    retired.since += elapsed
    if (retired.since < tunables.retiredIdLifetime) return
    for (const key of retired.keys) this.host.removeId(key)
    this.retired = undefined
  }

  /** Issues an id. With `retiresOldest`, the peer retires its oldest one if it stores no more than it has. */
  private issue(retiresOldest = false): boolean {
    const { id, resetToken } = this.host.newId()
    try {
      this.host.native.newSourceCid(id, resetToken, retiresOldest)
    } catch {
      // The binding counts the ids differently. Those that the peer has are enough.
      this.limit = this.active
      this.limitKnown = true
      return false
    }
    this.active += 1
    this.host.addId(keyOf(id))
    return true
  }
}
