/**
 * How many bytes a connection sends in one turn. Within a machine nothing but the receiver's socket buffer has to hold
 * them, and a turn costs the same whatever it sends: there bursts grow until something is lost.
 */
import { burst, largestBurst } from "../tunables.ts"

/** Whole bursts that have to get through before the next may be larger. */
const firstTrial = 8
const longestTrial = 1_024

export class Burst {
  /** Bytes. */
  size = burst
  private grows: boolean
  /** Whole bursts still to get through, and how many it were in all. */
  private left = firstTrial
  private trial = firstTrial
  private lostBefore = 0

  /** `grows` within a machine. */
  constructor(grows: boolean) {
    this.grows = grows
  }

  /** A whole burst was sent. `lost` counts the packets lost since the connection was made. */
  spent(lost: () => number): void {
    if (!this.grows) return
    if (this.left > 0) this.left -= 1
    if (this.left > 0) return
    const now = lost()
    if (now > this.lostBefore) {
      this.size = burst
      this.trial = Math.min(2 * this.trial, longestTrial)
    } else this.size = Math.min(2 * this.size, largestBurst)
    this.lostBefore = now
    this.left = this.trial
  }

  /** The peer is reached by another path now. */
  moved(): void {
    this.grows = false
    this.size = burst
  }
}
