/**
 * How much a connection may send now. quiche 0.18 lets a peer grow its congestion window without bound (CVE-2025-4820,
 * CVE-2025-4821); a rate per peer is what keeps it from making us flood the network.
 */

/** What may be saved up for a burst, in milliseconds of the rate. */
const saved = 10

export class SendAllowance {
  /** Bytes per millisecond. */
  private readonly rate: number
  private left: number
  private refilled = performance.now()

  constructor(rate: number) {
    this.rate = rate
    this.left = rate * saved
  }

  refill(now: number): void {
    this.left = Math.min(this.left + (now - this.refilled) * this.rate, this.rate * saved)
    this.refilled = now
  }

  get isSpent(): boolean {
    return this.left <= 0
  }

  spend(bytes: number): void {
    this.left -= bytes
  }
}
