/**
 * Tells packets that have come before by their numbers, as the binding does: it decrypts a duplicate in place, and then drops
 * it (RFC 9000, section 12.3). The window is that of the binding, after RFC 4303, section 3.4.3.
 */
import { framesStart } from "./frames.ts"

/** How many of the latest numbers are told apart. The binding takes all below them for duplicates. */
const windowLength = 128

/** Above this the numbers lose precision. No peer sends so many packets. */
const maxNumber = 2 ** 52

/** Keeps which of the latest 1-RTT packet numbers of a peer have come. */
export class PacketNumberWindow {
  /** The binding begins with 0, too, but has not seen that packet. */
  private largest = 0
  /** The lowest 32 bits of `largest`. */
  private low = 0
  /** Bit i of the four words is set when the packet `largest` - i has come. */
  private seen0 = 0
  private seen1 = 0
  private seen2 = 0
  private seen3 = 0
  private isBlind = false

  /**
   * Records the number of a packet with a short header that the binding has authenticated and decrypted in place. Returns
   * whether the packet is new.
   */
  add(packet: Uint8Array): boolean {
    if (this.isBlind) return true
    const ahead = this.distance(packet)
    if (ahead === 1) {
      this.seen3 = (this.seen3 << 1) | (this.seen2 >>> 31)
      this.seen2 = (this.seen2 << 1) | (this.seen1 >>> 31)
      this.seen1 = (this.seen1 << 1) | (this.seen0 >>> 31)
      this.seen0 = (this.seen0 << 1) | 1
    } else if (ahead > 0) {
      this.shift(ahead)
      this.seen0 |= 1
    } else return this.addEarlier(-ahead)
    this.largest += ahead
    this.low = (this.low + ahead) | 0
    if (this.largest > maxNumber) this.goBlind()
    return true
  }

  /**
   * The binding may have taken a packet that was not added: its largest number is not known any more, and every packet counts
   * as new from now on.
   */
  goBlind(): void {
    this.isBlind = true
  }

  /** How far the number of a packet, of which it carries the lowest bytes, is above `largest` (RFC 9000, appendix A.3). */
  private distance(packet: Uint8Array): number {
    const bits = 8 * ((packet[0]! & 0x03) + 1)
    const end = framesStart(packet)
    let number = packet[end - 1]!
    for (let i = 8; i < bits; i += 8) number |= packet[end - 1 - (i >>> 3)]! << i
    const above = ((number - this.low) << (32 - bits)) >>> (32 - bits)
    // Half of all numbers around the one that is expected.
    if (above <= (1 << (bits - 1)) >>> 0) return above
    const window = 2 ** bits
    if (above <= window / 2 + 1) return above
    const below = above - window
    // There are no numbers below 0.
    return this.largest + below < 0 ? above : below
  }

  private addEarlier(behind: number): boolean {
    if (behind >= windowLength) return false
    const bit = 1 << (behind & 31)
    switch (behind >>> 5) {
      case 0:
        if ((this.seen0 & bit) !== 0) return false
        this.seen0 |= bit
        return true
      case 1:
        if ((this.seen1 & bit) !== 0) return false
        this.seen1 |= bit
        return true
      case 2:
        if ((this.seen2 & bit) !== 0) return false
        this.seen2 |= bit
        return true
      default:
        if ((this.seen3 & bit) !== 0) return false
        this.seen3 |= bit
        return true
    }
  }

  private shift(by: number): void {
    if (by >= windowLength) {
      this.seen0 = this.seen1 = this.seen2 = this.seen3 = 0
      return
    }
    let left = by
    for (; left >= 32; left -= 32) {
      this.seen3 = this.seen2
      this.seen2 = this.seen1
      this.seen1 = this.seen0
      this.seen0 = 0
    }
    if (left === 0) return
    const back = 32 - left
    this.seen3 = (this.seen3 << left) | (this.seen2 >>> back)
    this.seen2 = (this.seen2 << left) | (this.seen1 >>> back)
    this.seen1 = (this.seen1 << left) | (this.seen0 >>> back)
    this.seen0 <<= left
  }
}
