/**
 * Reports once that streams cannot be opened because of others that do not end, until that changes.
 */
import type { HeldStreams } from "@qp2p/core/Transport"

/** What keeps streams from being opened at one check. */
export interface OpeningBlocked extends HeldStreams {
  /** How many streams have been opened: while others come to an end, this grows. */
  readonly opened: number
}

/** Compares two successive checks, and returns a report when neither a stream was opened nor the cause has changed. */
export class HeldStreamsWatch {
  private before: OpeningBlocked | undefined = undefined
  private isReported = false

  /** Returns what is to be reported: the same was found at the check before, and has not been reported. */
  check(now: OpeningBlocked | undefined): HeldStreams | undefined {
    const { before } = this
    this.before = now
    const isSame = now !== undefined && now.kind === before?.kind && now.opened === before.opened
    if (!isSame) this.isReported = false
    if (!isSame || this.isReported) return undefined
    this.isReported = true
    return { kind: now.kind, count: now.count }
  }
}
