/**
 * Tracks which of the packets sent on a connection the peer has acknowledged (RFC 9000, sections 12.3 and 13.2).
 *
 * The binding tells of acknowledgements only by dropping a stream that is over in both directions. But a packet lies
 * decrypted in its buffer once the binding has taken it, and the numbers of packets sent can be counted. Only the simple
 * case is tracked here: everything arrives, in order. After a gap nothing is known of what was sent before it, and
 * `AckInference` has to find out.
 */
import { endsInShortHeader, isLongHeader } from "../packets/packetHeader.ts"
import { minDatagramSize } from "../packets/datagramSize.ts"

/** Packets that the binding sends without regard to the congestion window when a timer has expired (RFC 9002, section 6.2.4). */
const maxTimerProbes = 2

/**
 * Records the range of 1-RTT packet numbers that the peer has acknowledged without a gap, and since when no retransmission
 * is possible.
 */
export class AcknowledgedPackets {
  private nextNumber = 0
  /** The first packet since the last gap. */
  private gaplessFrom = 0
  /** The first packet since a timer has expired. */
  private timerlessFrom = 0
  /** All packets from `gaplessFrom` to this one are acknowledged. */
  private acknowledgedTo = -1
  private largest = -1
  /** The first packet after the probe packets of a timer, which the congestion window does not limit (RFC 9002, section 7.5). */
  private timerProbesEnd = 0
  /**
   * What sending has taken from the congestion window since the binding last said how much of it is left, which it looks up
   * with each acknowledgement: up to twice the bytes while it recovers from a loss (RFC 6937).
   */
  private unaccounted = 0
  /** The first packet above the smallest size since one was acknowledged or passed over; -1 for none. */
  private firstLarge = -1
  private largeArrived = false

  /** The number of the next 1-RTT packet. */
  get next(): number {
    return this.nextNumber
  }

  /** The largest number that the peer has acknowledged; -1 before the first. */
  get largestAcknowledged(): number {
    return this.largest
  }

  /** The first `length` bytes of `datagram` are on their way. */
  sent(datagram: Uint8Array, length: number): void {
    this.unaccounted += 2 * length
    if (length > minDatagramSize && this.firstLarge < 0) this.firstLarge = this.nextNumber
    if (!isLongHeader(datagram) || endsInShortHeader(datagram, length)) this.nextNumber += 1
  }

  /** Whether a packet above the smallest size was acknowledged since the last call: the path carries such packets. */
  takeLargeArrived(): boolean {
    const { largeArrived } = this
    this.largeArrived = false
    return largeArrived
  }

  /** An ACK frame has come, whose newest range is from `smallest` to `largest`. */
  acknowledged(smallest: number, largest: number): void {
    if (largest <= this.largest) return
    // Numbers that were never sent: either side has lost count.
    if (largest >= this.nextNumber) this.gaplessFrom = Infinity
    this.largest = largest
    if (this.firstLarge >= 0 && largest >= this.firstLarge) {
      if (smallest <= this.firstLarge) this.largeArrived = true
      this.firstLarge = -1
    }
    if (this.nextNumber >= this.timerProbesEnd) this.unaccounted = 0
    if (largest <= this.acknowledgedTo) return
    if (smallest <= this.acknowledgedTo + 1) {
      this.acknowledgedTo = largest
      return
    }
    this.gaplessFrom = Math.max(this.gaplessFrom, this.nextNumber)
    this.acknowledgedTo = this.nextNumber - 1
  }

  /** One of the binding's timers has expired: it may retransmit something, and its congestion window may have changed. */
  expired(): void {
    this.unaccounted = Infinity
    this.timerlessFrom = this.nextNumber
    this.timerProbesEnd = this.nextNumber + maxTimerProbes
  }

  /**
   * Whether all that the binding was given has left. Only right when the binding has just said that it has no more to send.
   * It says so too when the congestion window is full; but not with room for a packet, of which it takes `capacity` to be
   * left.
   */
  hasLeft(capacity: number): boolean {
    return capacity - this.unaccounted >= minDatagramSize
  }

  /** Whether the peer has acknowledged the packets `first` to `last`. */
  has(first: number, last: number): boolean {
    return first >= this.gaplessFrom && last <= this.acknowledgedTo && first <= last
  }

  /** Whether nothing of `packet` or of later ones can have been sent twice. */
  hasNoRetransmissionSince(packet: number): boolean {
    return packet >= this.gaplessFrom && packet >= this.timerlessFrom
  }
}
