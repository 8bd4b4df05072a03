/**
 * Notices that streams wait for others that nobody ends, and tells it once until that has changed.
 */
import type { HeldStreams } from "@qp2p/core/Transport"

/** What is to be seen at one look. */
export interface HeldNow extends HeldStreams {
  /** How many streams have been begun: while others come to an end, this grows. */
  readonly begun: number
}

export class HeldWatch {
  private before: HeldNow | undefined = undefined
  private told = false

  /** What is to be told: the same is seen as at the last look, and for the first time. */
  look(now: HeldNow | undefined): HeldStreams | undefined {
    const { before } = this
    this.before = now
    const same = now !== undefined && now.by === before?.by && now.begun === before.begun
    if (!same) this.told = false
    if (!same || this.told) return undefined
    this.told = true
    return { by: now.by, count: now.count }
  }
}
