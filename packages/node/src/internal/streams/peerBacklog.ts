/**
 * Estimates how much data on unidirectional streams the peer's application has not read yet.
 *
 * The peer's QUIC acknowledges what has arrived, whether its application reads it or not, so acknowledgements limit no
 * sender. The credit for further streams does: a peer gives it when it has read others to their ends (RFC 9000, section
 * 4.6). It has read as many streams as it has given credit for since the beginning, and at most those opened last are
 * unread. What one stream may carry is a share of the room that is left, so that small messages spread over many streams
 * and credit for them comes before the room is used up.
 */
import { Fifo } from "@qp2p/core/Fifo"
import { initialStreamWindow, maxBacklogWeight, maxReservedCredit, streamWeight } from "../tunables/streams.ts"

/** The share of one stream in the backlog. */
export interface BacklogEntry {
  weight: number
  isRead: boolean
}

/**
 * Counts the weight, in bytes, of the unidirectional streams that the peer may not have read, up to `maxBacklogWeight`.
 */
export class PeerBacklog {
  /** The streams that may be unread, in the order in which they were opened. */
  private readonly entries = new Fifo<BacklogEntry>()
  private weight = 0
  private opened = 0
  /** How many streams the peer let this side open before it had read any. */
  private firstCredit = 0
  private reserved = 0

  /** The peer's credit, `left` more streams, says how many it has read. */
  observe(left: number): void {
    const credit = this.opened + left
    if (this.opened === 0) {
      this.firstCredit = credit
      this.reserved = Math.min(maxReservedCredit, credit >> 4)
    }
    const unread = Math.max(0, this.firstCredit - left)
    while (this.entries.length > unread) {
      const entry = this.entries.shift()!
      entry.isRead = true
      this.weight -= entry.weight
    }
  }

  /** Whether a further stream may be opened, with credit for `left` more. */
  hasRoom(left: number): boolean {
    return this.weight < maxBacklogWeight && left > this.reserved
  }

  /**
   * How many empty streams make the peer give credit for what it has read, if it believes that there is credit for `left`
   * more. quiche gives credit when less is left than half of all streams that it would let be opened since the beginning:
   * late for the first thousand streams, and at once later.
   */
  probesNeeded(left: number): number {
    return Math.max(0, Math.ceil((2 * left - this.firstCredit - this.opened) / 3) + 1)
  }

  /** How many empty streams make a peer give credit that has read everything and whose MAX_STREAMS frame was lost. */
  get probesNeededAfterLoss(): number {
    return Math.max(1, this.probesNeeded(this.firstCredit))
  }

  /** What the content of the next stream may weigh. */
  get share(): number {
    return (maxBacklogWeight - this.weight) / Math.max(1, this.firstCredit >> 3)
  }

  /** Counts a stream that is opened now, with `weight` as the weight of its content so far. */
  add(weight: number): BacklogEntry {
    const entry = { weight: weight + streamWeight, isRead: false }
    this.opened += 1
    this.weight += entry.weight
    this.entries.push(entry)
    return entry
  }

  /** Raises the weight of a stream that has sent `bytes` in all; at most its initial window counts. */
  grow(entry: BacklogEntry, bytes: number): void {
    const weight = Math.min(bytes, initialStreamWindow) + streamWeight
    if (entry.isRead || weight <= entry.weight) return
    this.weight += weight - entry.weight
    entry.weight = weight
  }
}
