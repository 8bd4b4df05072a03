/**
 * How many bytes a connection sends in one turn. Within a machine only the receiver's socket buffer limits them, and
 * the cost of a turn does not depend on its bytes: there bursts grow until packets are lost.
 */
import { burst, maxBurst } from "../tunables/path.ts"

/** How many whole bursts have to arrive before the next may be larger. */
const firstTrial = 8
const longestTrial = 1_024

/** The view of the connection. */
export interface Losses {
  /** How many packets it has lost. */
  readonly lost: () => number
}

/** Computes the byte limit of one turn, from `burst` up to `maxBurst`; it grows only on paths within a machine. */
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

  /** Counts a whole burst that was sent. */
  spent(losses: Losses): void {
    if (!this.grows) return
    if (this.left > 0) this.left -= 1
    if (this.left > 0) return
    const now = losses.lost()
    if (now > this.lostBefore) {
      this.bytes = burst
      this.trial = Math.min(2 * this.trial, longestTrial)
    } else this.bytes = Math.min(2 * this.bytes, maxBurst)
    this.lostBefore = now
    this.left = this.trial
  }

  /** Resets the size: the path to the peer has changed. */
  pathChanged(): void {
    this.grows = false
    this.bytes = burst
  }
}
