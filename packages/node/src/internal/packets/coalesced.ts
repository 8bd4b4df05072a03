/**
 * Datagrams of several packets (RFC 9000, section 12.2). Handed to the binding whole, a packet that it has no key for any
 * more takes those behind it along. Handed over one by one, each costs a call of its own.
 *
 * Keys are dropped with the first Handshake packet that is taken in or sent (RFC 9001, section 4.9.1). A client has nothing
 * to put into one before the server's have come, unless a timer makes it speak. So the datagram with the first of them is
 * safe, and most handshakes need no other.
 */
import { isLongHeader, splitDatagram } from "./packetHeader.ts"

export class Coalesced {
  private keysMayBeGone = false

  /** A timer of the binding's has expired. */
  expired(): void {
    this.keysMayBeGone = true
  }

  /** What to hand to the binding, one after the other; packet by packet if it must be `apart`. */
  parts(datagram: Uint8Array, apart: boolean): ReadonlyArray<Uint8Array> {
    if (!isLongHeader(datagram)) return [datagram]
    const packets = splitDatagram(datagram)
    const whole = !this.keysMayBeGone && !apart
    // Behind the first packet there is no Initial, nor is this one.
    if (packets.length > 1 || (datagram[0]! & 0x30) !== 0) this.keysMayBeGone = true
    return whole ? [datagram] : packets
  }
}
