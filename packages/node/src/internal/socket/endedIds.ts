/**
 * The ids of connections that have ended a moment ago. Late packets for them neither make a connection nor cause a stateless reset:
 * those of a connection that this side has closed are answered with its close frame, the others with nothing (RFC 9000, section
 * 10.2). The connection itself, which takes a hundred times as much memory, is not kept.
 */
import type * as NetAddress from "effect/net/NetAddress"
import { endedIdLifetime } from "../tunables/connectionIds.ts"

/** The packet with the close frame of a connection, which was sent to its peer once. */
export class SentClose {
  readonly to: NetAddress.InetAddress
  private readonly packet: Uint8Array
  private latePackets = 0

  constructor(packet: Uint8Array, to: NetAddress.InetAddress) {
    this.packet = packet
    this.to = to
  }

  /** Returns the packet when a late packet is to be answered with it: less and less often (RFC 9000, section 10.2.1). */
  repeat(): Uint8Array | undefined {
    this.latePackets += 1
    return (this.latePackets & (this.latePackets - 1)) === 0 ? this.packet : undefined
  }
}

/** The ids of connections that ended in the same interval. */
class Generation {
  readonly closes = new Map<string, SentClose | undefined>()
  connections = 0
}

/**
 * Keeps ids for `endedIdLifetime` milliseconds at least, if no more connections end in that time than it may keep, and for three
 * times as long at most, if it has a tick that often.
 */
export class EndedIds {
  private readonly mostConnections: number
  private readonly now: () => number
  private readonly sendImmediate: (packet: Uint8Array, to: NetAddress.InetAddress) => void
  private young = new Generation()
  private old = new Generation()
  private since = -Infinity

  constructor(options: {
    /** How many connections may end in one `endedIdLifetime`: with more of them, the earlier ones are forgotten sooner. */
    readonly mostConnections: number
    /** Milliseconds of the system's clock, which packets go by. */
    readonly now: () => number
    /** Sends a packet outside of any turn. */
    readonly sendImmediate: (packet: Uint8Array, to: NetAddress.InetAddress) => void
  }) {
    this.mostConnections = options.mostConnections
    this.now = options.now
    this.sendImmediate = options.sendImmediate
  }

  /** Adds the ids of a connection, and what late packets for them are answered with. */
  add(keys: ReadonlyArray<string>, close?: SentClose): void {
    if (keys.length === 0) return
    this.tick()
    if (this.young.connections >= this.mostConnections) this.renew(this.now())
    this.young.connections += 1
    for (const key of keys) this.young.closes.set(key, close)
  }

  has(key: string): boolean {
    return this.young.closes.has(key) || this.old.closes.has(key)
  }

  /** Whether a packet for this id is a late one. Answers it then, if it is time to. */
  take(key: string): boolean {
    const { closes } = this.young.closes.has(key) ? this.young : this.old
    const close = closes.get(key)
    const answer = close?.repeat()
    if (answer !== undefined) this.sendImmediate(answer, close!.to)
    return close !== undefined || closes.has(key)
  }

  /** Called by the sweep: forgets what is old. */
  tick(): void {
    const now = this.now()
    if (now - this.since >= endedIdLifetime) this.renew(now)
  }

  private renew(now: number): void {
    this.old = now - this.since < 2 * endedIdLifetime ? this.young : new Generation()
    this.young = new Generation()
    this.since = now
  }
}
