/**
 * How often something may happen by IP address: so many times at once after a pause, and so many more in each second.
 */
import { maxCountedIps } from "../tunables/handshakes.ts"

interface Left {
  count: number
  refilledAt: number
}

/** A token bucket for each IP address, by the name under which that counts. Times are in milliseconds of Effect's clock. */
export class IpRate {
  private readonly most: number
  private readonly perSecond: number
  private readonly byIp = new Map<string, Left>()

  constructor(most: number, perSecond: number) {
    this.most = most
    this.perSecond = perSecond
  }

  /** Whether an address has none left. */
  isExhausted(ip: string, now: number): boolean {
    const left = this.byIp.get(ip)
    if (left === undefined) return false
    this.refill(left, now)
    return left.count < 1
  }

  /** Takes one of an address's. */
  take(ip: string, now: number): void {
    let left = this.byIp.get(ip)
    if (left === undefined) {
      if (this.byIp.size >= maxCountedIps) this.forgetFull(now)
      this.byIp.set(ip, (left = { count: this.most, refilledAt: now }))
    }
    left.count -= 1
  }

  /** Gives one back. */
  giveBack(ip: string): void {
    const left = this.byIp.get(ip)
    if (left !== undefined) left.count += 1
  }

  /** Makes room for another address: forgets those that have all back, or else all. */
  private forgetFull(now: number): void {
    for (const [ip, left] of this.byIp) {
      this.refill(left, now)
      if (left.count >= this.most) this.byIp.delete(ip)
    }
    if (this.byIp.size >= maxCountedIps) this.byIp.clear()
  }

  private refill(left: Left, now: number): void {
    left.count = Math.min(left.count + (Math.max(0, now - left.refilledAt) * this.perSecond) / 1_000, this.most)
    left.refilledAt = now
  }
}
