/**
 * Counts the streams that are served, by peer and by IP address.
 */
import type { StreamLimits } from "./protocolLimits.ts"

/** The peer of a stream. */
export interface StreamOwner {
  readonly peer: string
  /** The name under which its IP address counts. */
  readonly ip: string
}

/** The streams that are served at once. */
export class StreamCount {
  private readonly limits: StreamLimits
  private all = 0
  private readonly perPeer = new Map<string, number>()
  private readonly perIp = new Map<string, number>()

  constructor(limits: StreamLimits) {
    this.limits = limits
  }

  /** Whether another stream of this peer may be served. */
  hasRoom({ ip, peer }: StreamOwner): boolean {
    const { all, perIp, perPeer } = this.limits
    return this.all < all && (this.perPeer.get(peer) ?? 0) < perPeer && (this.perIp.get(ip) ?? 0) < perIp
  }

  /** A stream begins. */
  add({ ip, peer }: StreamOwner): void {
    this.all += 1
    change(this.perPeer, peer, 1)
    change(this.perIp, ip, 1)
  }

  /** A stream has ended that was added with the same owner. */
  delete({ ip, peer }: StreamOwner): void {
    this.all -= 1
    change(this.perPeer, peer, -1)
    change(this.perIp, ip, -1)
  }
}

const change = (counts: Map<string, number>, key: string, by: number): void => {
  const count = (counts.get(key) ?? 0) + by
  if (count === 0) counts.delete(key)
  else counts.set(key, count)
}
