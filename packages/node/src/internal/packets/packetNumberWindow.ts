/**
 * Tells packets that have come before by their numbers, as the binding does: it decrypts a duplicate in place, and then drops
 * it (RFC 9000, section 12.3). The window is that of the binding, after RFC 4303, section 3.4.3.
 */
import { framesStart } from "./frames.ts"

/** How many of the latest numbers are told apart. The binding takes all below them for duplicates. */
const windowLength = 128
const words = windowLength / 32

/** Above this the numbers lose precision. No peer sends so many packets. */
const maxNumber = 2 ** 52

/** Keeps which of the latest 1-RTT packet numbers of a peer have come. */
export class PacketNumberWindow {
  private largest = -1
  private isBlind = false
  /** Bit i of the whole is set when the packet `largest` - i has come. */
  private readonly seen = new Int32Array(words)

  /**
   * Records the number of a packet with a short header that the binding has authenticated and decrypted in place. Returns
   * whether the packet is new.
   */
  add(packet: Uint8Array): boolean {
    if (this.isBlind) return true
    const start = framesStart(packet)
    let truncated = 0
    for (let i = start - ((packet[0]! & 0x03) + 1); i < start; i++) truncated = truncated * 256 + packet[i]!
    return this.addNumber(this.decode(truncated, 2 ** (8 * ((packet[0]! & 0x03) + 1))))
  }

  /**
   * The binding may have taken a packet that was not added: what its largest number is is not known any more, and every packet counts
   * as new from now on.
   */
  goBlind(): void {
    this.isBlind = true
  }

  /** The whole number of a packet that carries its lowest bytes (RFC 9000, appendix A.3). `window` is how many there are. */
  private decode(truncated: number, window: number): number {
    // The binding begins with 0 as the largest.
    const expected = Math.max(this.largest, 0) + 1
    const candidate = expected - (expected % window) + truncated
    if (candidate + window / 2 <= expected) return candidate + window
    if (candidate > expected + window / 2 && candidate >= window) return candidate - window
    return candidate
  }

  private addNumber(number: number): boolean {
    const { seen } = this
    if (number > maxNumber) this.goBlind()
    const ahead = number - this.largest
    if (ahead > 0) {
      if (ahead === 1) {
        // The usual case.
        for (let i = words - 1; i > 0; i--) seen[i] = (seen[i]! << 1) | (seen[i - 1]! >>> 31)
        seen[0] = (seen[0]! << 1) | 1
      } else {
        this.shift(ahead)
        seen[0]! |= 1
      }
      this.largest = number
      return true
    }
    const behind = -ahead
    if (behind >= windowLength) return false
    const bit = 1 << (behind & 31)
    if ((seen[behind >>> 5]! & bit) !== 0) return false
    seen[behind >>> 5]! |= bit
    return true
  }

  private shift(by: number): void {
    const { seen } = this
    if (by >= windowLength) {
      seen.fill(0)
      return
    }
    const whole = by >>> 5
    const bits = by & 31
    for (let i = words - 1; i >= 0; i--) {
      const high = i - whole >= 0 ? seen[i - whole]! << bits : 0
      const low = bits > 0 && i - whole - 1 >= 0 ? seen[i - whole - 1]! >>> (32 - bits) : 0
      seen[i] = high | low
    }
  }
}
