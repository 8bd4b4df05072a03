/**
 * How many bytes a connection sends in one turn. Within a machine only the receiver's socket buffer has to hold them, and a
 * turn costs the same however much it sends: there bursts grow until packets are lost.
 */
import { burst, maxBurst } from "../tunables.ts"

/** How many whole bursts have to arrive before the next may be larger. */
const firstTrial = 8
const longestTrial = 1_024

export class Burst {
  private bytes = burst
  private grows: boolean
  /** How many whole bursts have yet to arrive, and how many they were at first. */
  private left = firstTrial
  private trial = firstTrial
  private lostBefore = 0

  /** `grows` for a peer on the same machine. */
  constructor(grows: boolean) {
    this.grows = grows
  }

  /** In bytes. */
  get size(): number {
    return this.bytes
  }

  /** Takes note of a whole burst that was sent. `lost` yields how many packets the connection has lost. */
  spent(lost: () => number): void {
    if (!this.grows) return
    if (this.left > 0) this.left -= 1
    if (this.left > 0) return
    const now = lost()
    if (now > this.lostBefore) {
      this.bytes = burst
      this.trial = Math.min(2 * this.trial, longestTrial)
    } else this.bytes = Math.min(2 * this.bytes, maxBurst)
    this.lostBefore = now
    this.left = this.trial
  }

  /** Begins anew: another path leads to the peer now. */
  pathChanged(): void {
    this.grows = false
    this.bytes = burst
  }
}
