/**
 * How many connections were accepted whose handshake is not complete, under way or failed: what a client costs that only
 * pretends to dial. Each costs memory until the garbage collector finds it, also if it ends at once.
 */
import * as tunables from "../tunables/handshakes.ts"
import { IpRate } from "./ipRate.ts"

/** The name under which all clients count together. */
const all = ""

/** Counts accepts without a Retry of all clients together, and those after a Retry by IP address. */
export class UnprovenAccepts {
  private readonly direct = new IpRate(tunables.maxUnprovenAccepts, tunables.unprovenAcceptsPerSecond)
  private readonly retried = new IpRate(tunables.maxUnprovenAcceptsPerIp, tunables.unprovenAcceptsPerIpAndSecond)

  /** Whether a client has to prove its address first. `now` is in milliseconds of Effect's clock. */
  needRetry(now: number): boolean {
    return this.direct.isExhausted(all, now)
  }

  /** Whether an IP address that is proven has pretended to dial too often. */
  isExhausted(ipGroup: string, now: number): boolean {
    return this.retried.isExhausted(ipGroup, now)
  }

  /** A client was accepted. `ipGroup` is set when it came through a Retry. */
  accepted(ipGroup: string | undefined, now: number): void {
    if (ipGroup === undefined) this.direct.take(all, now)
    else this.retried.take(ipGroup, now)
  }

  /** The handshake of a client is complete that was accepted as `ipGroup` tells. */
  proven(ipGroup: string | undefined): void {
    if (ipGroup === undefined) this.direct.giveBack(all)
    else this.retried.giveBack(ipGroup)
  }
}
