/**
 * Datagrams of several packets (RFC 9000, section 12.2). When the binding takes such a datagram whole, a packet whose keys it
 * has dropped makes it skip the packets behind it. Handed over one by one, each packet costs a call of its own.
 *
 * The binding drops keys with the first Handshake packet that it receives or sends (RFC 9001, section 4.9.1). A client has
 * nothing to put into a Handshake packet before the server's have come, unless a timer makes it send. So the datagram with
 * the first Handshake packet is safe, and most handshakes need no other.
 */
import { isLongHeader, splitDatagram } from "./packetHeader.ts"

/** Decides for each datagram of one connection whether the binding takes it whole or packet by packet. */
export class Coalesced {
  private keysMayBeGone = false

  /** Records that a timer of the binding has expired: the client may then send a Handshake packet. */
  timedOut(): void {
    this.keysMayBeGone = true
  }

  /** Returns what to hand to the binding, one after the other: the datagram whole, or each packet if it must be `apart`. */
  parts(datagram: Uint8Array, apart: boolean): ReadonlyArray<Uint8Array> {
    if (!isLongHeader(datagram)) return [datagram]
    const packets = splitDatagram(datagram)
    const whole = !this.keysMayBeGone && !apart
    // An Initial packet that is alone leaves the keys; a Handshake packet, or any packet behind an Initial one, may not.
    if (packets.length > 1 || (datagram[0]! & 0x30) !== 0) this.keysMayBeGone = true
    return whole ? [datagram] : packets
  }
}
