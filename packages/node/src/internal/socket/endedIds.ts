/**
 * The ids of connections that have ended a moment ago. Late packets for them neither make a connection nor cause a stateless reset:
 * those of a connection that this side has closed are answered with its close frame, the others with nothing (RFC 9000, section
 * 10.2). Nothing else is kept of a connection that has ended: it takes thousands of times as much memory.
 */
import type * as NetAddress from "effect/net/NetAddress"
import { endedIdLifetime, maxEndedIds } from "../tunables/connectionIds.ts"

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

/** Keeps ids for `endedIdLifetime` milliseconds at least, and for twice as long at most. */
export class EndedIds {
  private readonly now: () => number
  private readonly sendImmediate: (packet: Uint8Array, to: NetAddress.InetAddress) => void
  private young = new Map<string, SentClose | undefined>()
  private old = new Map<string, SentClose | undefined>()
  private since = -Infinity

  /** `now` is in milliseconds of Effect's clock; `sendImmediate` sends a packet outside of any turn. */
  constructor(now: () => number, sendImmediate: (packet: Uint8Array, to: NetAddress.InetAddress) => void) {
    this.now = now
    this.sendImmediate = sendImmediate
  }

  /** Adds the ids of a connection, and what late packets for them are answered with. */
  add(keys: ReadonlyArray<string>, close?: SentClose): void {
    this.age()
    for (const key of keys) if (this.young.size < maxEndedIds) this.young.set(key, close)
  }

  /** Whether a packet for this id is a late one. Answers it then, if it is time to. */
  take(key: string): boolean {
    this.age()
    const ids = this.young.has(key) ? this.young : this.old
    const close = ids.get(key)
    const answer = close?.repeat()
    if (answer !== undefined) this.sendImmediate(answer, close!.to)
    return close !== undefined || ids.has(key)
  }

  private age(): void {
    const now = this.now()
    const passed = now - this.since
    if (passed < endedIdLifetime) return
    this.old = passed < 2 * endedIdLifetime ? this.young : new Map()
    this.young = new Map()
    this.since = now
  }
}
