/**
 * How many connections were accepted whose handshake is not complete, under way or failed: what a client costs that only pretends to
 * dial. Each costs memory until the garbage collector finds it, also if it ends at once.
 */
import * as tunables from "../tunables.ts"

/** A number of accepts, which refills with time. */
interface Left {
  count: number
  refilledAt: number
}

/** Counts accepts without a Retry of all clients together, and those after a Retry by IP address. */
export class UnprovenAccepts {
  private readonly direct: Left = { count: tunables.maxUnprovenAccepts, refilledAt: -Infinity }
  private readonly retried = new Map<string, Left>()

  /** Whether a client has to prove its address first. `now` is in milliseconds of Effect's clock. */
  needRetry(now: number): boolean {
    refill(this.direct, now, tunables.unprovenAcceptsPerSecond, tunables.maxUnprovenAccepts)
    return this.direct.count < 1
  }

  /** Whether an IP address that is proven has pretended to dial too often. */
  isExhausted(ipGroup: string, now: number): boolean {
    const left = this.retried.get(ipGroup)
    if (left === undefined) return false
    refill(left, now, tunables.unprovenAcceptsPerIpAndSecond, tunables.maxUnprovenAcceptsPerIp)
    return left.count < 1
  }

  /** A client was accepted. `ipGroup` is set when it came through a Retry. */
  accepted(ipGroup: string | undefined, now: number): void {
    if (ipGroup === undefined) {
      this.direct.count -= 1
      return
    }
    let left = this.retried.get(ipGroup)
    if (left === undefined) {
      if (this.retried.size >= tunables.maxCountedIps) this.forgetFull(now)
      this.retried.set(ipGroup, (left = { count: tunables.maxUnprovenAcceptsPerIp, refilledAt: now }))
    }
    left.count -= 1
  }

  /** The handshake of a client is complete that was accepted as `ipGroup` tells. */
  proven(ipGroup: string | undefined): void {
    const left = ipGroup === undefined ? this.direct : this.retried.get(ipGroup)
    if (left !== undefined) left.count += 1
  }

  /** Makes room for another IP address: forgets those that have all back, or else all. */
  private forgetFull(now: number): void {
    for (const [ip, left] of this.retried) {
      refill(left, now, tunables.unprovenAcceptsPerIpAndSecond, tunables.maxUnprovenAcceptsPerIp)
      if (left.count >= tunables.maxUnprovenAcceptsPerIp) this.retried.delete(ip)
    }
    if (this.retried.size >= tunables.maxCountedIps) this.retried.clear()
  }
}

const refill = (left: Left, now: number, perSecond: number, most: number): void => {
  left.count = Math.min(left.count + (Math.max(0, now - left.refilledAt) * perSecond) / 1_000, most)
  left.refilledAt = now
}
