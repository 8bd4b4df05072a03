/**
 * Limits the verifications that an endpoint runs for its peers, so that no peer takes them all.
 */
import type * as NetAddress from "effect/net/NetAddress"
import { ipPrefix } from "./ipPrefix.ts"

/** The most verifications that run at once, for all peers together. */
export const maxVerifications = 32

/** The most that run at once for one IP address, or one /64 of IPv6. */
export const maxVerificationsPerIp = 4

/** The most that one IP address may begin at once after a pause. Then it may begin another one in each interval. */
export const verificationBurst = 8

/** The interval at which an IP address may begin another verification, in milliseconds. */
export const verificationInterval = 1_000

/** The most IP addresses that are remembered. While all of them count, no other address may begin a verification. */
const maxRemembered = 4_096

interface Usage {
  running: number
  /** How many more the address may begin. */
  credit: number
  /** When the credit was last updated, in milliseconds. */
  at: number
}

/** The verifications of one endpoint, by the IP addresses of those who asked for them. */
export class VerificationLimits {
  private readonly byIp = new Map<string, Usage>()
  private running = 0

  /** Begins a verification at `now`, in milliseconds of a monotonic clock. Returns false when it has to wait. */
  begin(address: NetAddress.IpAddress, now: number): boolean {
    if (this.running >= maxVerifications) return false
    const usage = this.usageOf(ipPrefix(address), now)
    if (usage === undefined || usage.running >= maxVerificationsPerIp || usage.credit < 1) return false
    usage.credit -= 1
    usage.running += 1
    this.running += 1
    return true
  }

  /** Ends a verification that has begun. */
  end(address: NetAddress.IpAddress): void {
    this.running -= 1
    this.byIp.get(ipPrefix(address))!.running -= 1
  }

  private usageOf(key: string, now: number): Usage | undefined {
    const known = this.byIp.get(key)
    if (known !== undefined) {
      update(known, now)
      return known
    }
    if (this.byIp.size >= maxRemembered) this.forgetIdle(now)
    if (this.byIp.size >= maxRemembered) return undefined
    const usage: Usage = { running: 0, credit: verificationBurst, at: now }
    this.byIp.set(key, usage)
    return usage
  }

  /** Forgets the addresses that count like unknown ones. */
  private forgetIdle(now: number): void {
    for (const [key, usage] of this.byIp) {
      update(usage, now)
      if (usage.running === 0 && usage.credit === verificationBurst) this.byIp.delete(key)
    }
  }
}

const update = (usage: Usage, now: number): void => {
  usage.credit = Math.min(verificationBurst, usage.credit + (now - usage.at) / verificationInterval)
  usage.at = now
}
