/**
 * The connection ids that the peer may address its packets to (RFC 9000, section 5.1): that of the handshake, and spare ones.
 *
 * A peer that finds this side at another address may validate the path to it before it follows, and does so with an id that
 * it has not used before: without a spare one it stays where it is, and the connection with it. What it retires is replaced,
 * at a limited rate: an id costs the peer 3 bytes to retire, and this side a frame of 54 and a place in the socket's table.
 */
import type { NativeConnection } from "./native.ts"
import { idKey } from "./packetHeader.ts"
import { randomId, randomToken } from "./randomId.ts"
import * as tunables from "./tunables.ts"

/** What it needs of its connection: where packets are sorted by these ids. */
export interface ConnectionIdsHost {
  readonly native: NativeConnection
  readonly addId: (key: string) => void
  readonly removeId: (key: string) => void
}

export class ConnectionIds {
  private readonly host: ConnectionIdsHost
  /** How many the peer has, and may have: 0 as long as it is not known. */
  private active = 1
  private limit = 0
  /** How long there has been one to replace, if the last replacement is not longer ago. */
  private missingFor = tunables.connectionIdInterval
  /** The one that the last packet came for. */
  private lastUsed: string
  /** The latest that the peer has retired. */
  private retired: Array<string> | undefined = undefined

  /** `first` is that of the handshake. */
  constructor(host: ConnectionIdsHost, first: string) {
    this.host = host
    this.lastUsed = first
  }

  /** The handshake is complete: issues one. Every peer stores two at least. Answers whether it could be. */
  issueFirst(): boolean {
    return this.issue()
  }

  /**
   * `elapsed` milliseconds later: issues the others, since to learn how many the peer stores costs a dial too much, and
   * replaces one that was retired. Answers whether there is a frame to be sent.
   */
  look(elapsed: number): boolean {
    if (this.limit === 0) {
      this.limit = Math.min(this.host.native.stats().peerActiveConnIdLimit, tunables.maxConnectionIds)
      const before = this.active
      while (this.active < this.limit) this.issue()
      return this.active > before
    }
    if (this.active >= this.limit) return false
    this.missingFor += elapsed
    if (this.missingFor < tunables.connectionIdInterval) return false
    this.missingFor = 0
    return this.issue()
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
    return true
  }

  /** Learns what the peer has retired, of which the binding keeps a list until it is read. */
  readRetired(): void {
    const { host } = this
    for (let id = host.native.retiredScidNext(); id !== null; id = host.native.retiredScidNext()) {
      this.active -= 1
      this.retired ??= []
      this.retired.push(idKey(id, 0, id.length))
      // Until they are forgotten, late packets for them are known to be this connection's, and no stateless resets.
      if (this.retired.length > tunables.maxConnectionIds) host.removeId(this.retired.shift()!)
    }
  }

  private issue(): boolean {
    const id = randomId()
    try {
      this.host.native.newSourceCid(id, randomToken(), false)
    } catch {
      // It counts otherwise than we do. What the peer has will do.
      this.limit = this.active
      return false
    }
    this.active += 1
    this.host.addId(idKey(id, 0, id.length))
    return true
  }
}
