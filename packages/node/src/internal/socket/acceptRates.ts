/**
 * How many handshakes a peer may begin: each costs this side about a millisecond of its processor, complete or not.
 *
 * Any host can put any IP address on a packet, so what comes without a Retry uses up only what may come without one. Peers on this
 * machine are no strangers, and often many: no rate applies to them.
 */
import * as NetAddress from "effect/net/NetAddress"
import * as tunables from "../tunables/handshakes.ts"
import { IpRate } from "./ipRate.ts"

/** Counts handshakes by IP address, those without a Retry and those after one. */
export class AcceptRates {
  private readonly direct = new IpRate(tunables.maxAcceptsPerIp, tunables.acceptsPerIpAndSecond)
  private readonly retried = new IpRate(tunables.maxAcceptsPerIp, tunables.acceptsPerIpAndSecond)

  /** Whether the next handshake of an address needs a Retry. `now` is in milliseconds of Effect's clock. */
  needsRetry(ipGroup: string, now: number): boolean {
    return this.direct.isExhausted(ipGroup, now)
  }

  /** Whether an address may begin no handshake, even after a Retry. */
  isExhausted(ipGroup: string, now: number): boolean {
    return this.retried.isExhausted(ipGroup, now)
  }

  /** A handshake of a peer at `address` has begun. */
  accepted(address: NetAddress.IpAddress, ipGroup: string, isRetried: boolean, now: number): void {
    if (NetAddress.isLoopback(address)) return
    const rate = isRetried ? this.retried : this.direct
    rate.take(ipGroup, now)
  }
}
