/**
 * The connection ids that the peer may address its packets to (RFC 9000, section 5.1): that of the handshake, and spare ones.
 *
 * A peer that finds this side at another address may validate the path to it before it follows, and does so with an id that
 * it has not used before: without a spare one it stays where it is, and the connection with it. What it retires is replaced,
 * at a limited rate: an id costs the peer 3 bytes to retire, and this side a frame of 54 and a place in the socket's table.
 */
import type { NativeConnection } from "../binding/native.ts"
import { keyOf } from "./packetHeader.ts"
import { randomId, randomToken } from "./connectionId.ts"
import * as tunables from "../tunables.ts"

/** What it needs of its connection: where packets are sorted by these ids. */
export interface ConnectionIdsHost {
  readonly native: NativeConnection
  readonly addId: (key: string) => void
  readonly removeId: (key: string) => void
}

export class ConnectionIds {
  private readonly host: ConnectionIdsHost
  /** How many the peer has, and may have: two, if not more (RFC 9000, section 18.2). */
  private active = 1
  private limit = 2
  private limitKnown = false
  /** How many may be replaced at once. */
  private credit: number = tunables.maxConnectionIds
  /** Whether the peer has used another one since it retired one. */
  private hasChanged = false
  /** The one that the last packet came for. */
  private lastUsed: string
  /** The latest that the peer has retired. */
  private retired: Array<string> | undefined = undefined

  /** `first` is that of the handshake. */
  constructor(host: ConnectionIdsHost, first: string) {
    this.host = host
    this.lastUsed = first
  }

  /** The dialler's handshake is complete: issues one. Every peer stores two at least. Answers whether it could be. */
  issueFirst(): boolean {
    return this.issue()
  }

  /**
   * `elapsed` milliseconds later: issues the others, since to learn how many the peer stores costs a dial too much, and those
   * that could not be replaced at once. Answers whether there is a frame to be sent.
   */
  tick(elapsed: number): boolean {
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
   * Whether a packet for this id may be handed to the binding. It closes the connection because of a packet for an id that
   * the peer has retired, and one may be late. The peer uses another id before it retires one, so nothing can have changed
   * as long as packets come for the same.
   */
  accepts(key: string): boolean {
    if (key === this.lastUsed) return true
    this.readRetired()
    if (this.retired?.includes(key)) return false
    this.lastUsed = key
    this.hasChanged = true
    return true
  }

  /**
   * A packet was handed to the binding. Of two that retire the same id, as probes do, the second makes it close the
   * connection if it has a single id left: so there must be another one in between.
   */
  taken(): void {
    if (this.hasChanged && this.readRetired()) this.hasChanged = false
  }

  /** Learns what the peer has retired, of which the binding keeps a list until it is read. Answers whether there was any. */
  readRetired(): boolean {
    const { host } = this
    let any = false
    for (let id = host.native.retiredScidNext(); id !== null; id = host.native.retiredScidNext()) {
      any = true
      this.active -= 1
      this.retired ??= []
      this.retired.push(keyOf(id))
      // Until they are forgotten, late packets for them are known to be this connection's, and no stateless resets.
      if (this.retired.length > tunables.maxConnectionIds) host.removeId(this.retired.shift()!)
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

  private issue(): boolean {
    const id = randomId()
    try {
      this.host.native.newSourceCid(id, randomToken(), false)
    } catch {
      // It counts otherwise than we do. What the peer has will do.
      this.limit = this.active
      this.limitKnown = true
      return false
    }
    this.active += 1
    this.host.addId(keyOf(id))
    return true
  }
}
