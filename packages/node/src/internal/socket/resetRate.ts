/**
 * How many stateless resets a socket may send, to all addresses together and to each IP address: any host can send packets that
 * belong to no connection, and under another address.
 */
import * as tunables from "../tunables/connectionIds.ts"
import { IpRate } from "./ipRate.ts"

/** The name of all IP addresses together. */
const all = ""

/** Counts the resets of one socket. */
export class ResetRate {
  private readonly inAll = new IpRate(tunables.maxResets, tunables.resetsPerSecond)
  private readonly byIp = new IpRate(tunables.maxResetsPerIp, tunables.resetsPerIpAndSecond)

  /** Whether a reset may be sent now. If so, it counts. `now` is in milliseconds of Effect's clock. */
  take(ipGroup: () => string, now: number): boolean {
    if (this.inAll.isExhausted(all, now)) return false
    const ip = ipGroup()
    if (this.byIp.isExhausted(ip, now)) return false
    this.inAll.take(all, now)
    this.byIp.take(ip, now)
    return true
  }
}
