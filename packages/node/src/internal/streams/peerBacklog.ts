/**
 * What the peer has been sent on unidirectional streams and may not have read yet.
 *
 * The peer's QUIC acknowledges what has arrived, whether its application reads it or not, so acknowledgements hold nobody
 * back. What holds back is the credit for further streams, which a peer gives when it has read others to their ends (RFC
 * 9000, section 4.6): as many as it has given since the beginning have been read, and no more than those opened last have
 * not. What one stream may carry is a share of what is left, so that small messages spread over many streams and credit
 * for them comes before nothing is left.
 */
import { Fifo } from "@qp2p/core/Fifo"
import { initialStreamWindow, mostReserved, mostUnreadWeight, streamWeight } from "../tunables.ts"

/** A stream that was begun. */
export interface Entry {
  weight: number
  isRead: boolean
}

export class PeerBacklog {
  /** The streams that may be unread, in the order in which they were opened. */
  private readonly entries = new Fifo<Entry>()
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
      this.reserved = Math.min(mostReserved, credit >> 4)
    }
    const unread = Math.max(0, this.firstCredit - left)
    while (this.entries.length > unread) {
      const entry = this.entries.shift()!
      entry.isRead = true
      this.weight -= entry.weight
    }
  }

  /** Whether a further stream may be begun, with credit for `left` more. */
  hasRoom(left: number): boolean {
    return this.weight < mostUnreadWeight && left > this.reserved
  }

  /**
   * How many further streams make the peer tell what it has read, if it believes that there is credit for `left` more.
   * quiche gives credit when less is left than half of all streams that it would let be opened since the beginning: of the
   * first thousand it tells late, and later at once.
   */
  untold(left: number): number {
    return Math.max(0, Math.ceil((2 * left - this.firstCredit - this.opened) / 3) + 1)
  }

  /** The same of a peer that has read everything and has said so, in a frame that was lost. */
  get lost(): number {
    return Math.max(1, this.untold(this.firstCredit))
  }

  /** What the content of the next stream may weigh. */
  get share(): number {
    return (mostUnreadWeight - this.weight) / Math.max(1, this.firstCredit >> 3)
  }

  /** A stream is begun, whose content is known to weigh so much. */
  begin(weight: number): Entry {
    const entry = { weight: weight + streamWeight, isRead: false }
    this.opened += 1
    this.weight += entry.weight
    this.entries.push(entry)
    return entry
  }

  /** So many bytes of a stream have been sent: of those, the peer's window holds the first at most. */
  grown(entry: Entry, bytes: number): void {
    const weight = Math.min(bytes, initialStreamWindow) + streamWeight
    if (entry.isRead || weight <= entry.weight) return
    this.weight += weight - entry.weight
    entry.weight = weight
  }
}
