/**
 * How many stateless resets a socket may send, to all addresses together and to each IP address: anybody can send packets that
 * belong to no connection, and under another address.
 */
import * as tunables from "../tunables.ts"

/** A number of resets, which refills with time. */
interface Left {
  count: number
  refilledAt: number
}

/** Counts the resets of one socket. */
export class ResetRate {
  private readonly all: Left = { count: tunables.maxResets, refilledAt: -Infinity }
  /** Those to one IP address, or to one /64 of IPv6. */
  private readonly byIp = new Map<string, Left>()

  /** Whether a reset may be sent now. If so, it counts. `now` is in milliseconds of Effect's clock. */
  take(ipGroup: () => string, now: number): boolean {
    refill(this.all, now, tunables.resetsPerSecond, tunables.maxResets)
    if (this.all.count < 1) return false
    const name = ipGroup()
    let left = this.byIp.get(name)
    if (left === undefined) {
      if (this.byIp.size >= tunables.maxCountedIps) this.forgetFull(now)
      this.byIp.set(name, (left = { count: tunables.maxResetsPerIp, refilledAt: now }))
    }
    refill(left, now, tunables.resetsPerIpAndSecond, tunables.maxResetsPerIp)
    if (left.count < 1) return false
    left.count -= 1
    this.all.count -= 1
    return true
  }

  /** Makes room for another IP address: forgets those that have all back, or else all. */
  private forgetFull(now: number): void {
    for (const [ip, left] of this.byIp) {
      refill(left, now, tunables.resetsPerIpAndSecond, tunables.maxResetsPerIp)
      if (left.count >= tunables.maxResetsPerIp) this.byIp.delete(ip)
    }
    if (this.byIp.size >= tunables.maxCountedIps) this.byIp.clear()
  }
}

const refill = (left: Left, now: number, perSecond: number, most: number): void => {
  left.count = Math.min(left.count + (Math.max(0, now - left.refilledAt) * perSecond) / 1_000, most)
  left.refilledAt = now
}
