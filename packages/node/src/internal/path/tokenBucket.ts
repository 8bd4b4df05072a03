/**
 * A token bucket that limits how many bytes a connection sends. quiche 0.18 lets a peer grow its congestion window without
 * bound (CVE-2025-4820, CVE-2025-4821); the rate per peer keeps such a peer from making this side flood the network.
 */

/** How much an idle connection saves up for its next packets, in milliseconds of the rate. */
const saved = 10

/** Holds the bytes that may be sent now; they refill at a rate in bytes per millisecond. */
export class TokenBucket {
  /** In bytes per millisecond. */
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

  get isEmpty(): boolean {
    return this.left <= 0
  }

  take(bytes: number): void {
    this.left -= bytes
  }
}
