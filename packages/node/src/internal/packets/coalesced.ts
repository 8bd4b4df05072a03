/**
 * Datagrams of several packets (RFC 9000, section 12.2). When the binding takes such a datagram whole, a packet whose keys it
 * has dropped makes it skip the packets behind it. Handed over one by one, each packet costs a call of its own.
 *
 * The binding drops keys with the first Handshake packet that it receives or sends (RFC 9001, section 4.9.1). A client has
 * nothing to put into a Handshake packet before the server's have come, unless a timer makes it send. So the datagram with
 * the first Handshake packet is safe, and most handshakes need no other.
 */
import { connectionIdLength } from "./connectionId.ts"
import { isLongHeader, splitDatagram } from "./packetHeader.ts"

/** What there is in a datagram that begins with a long header. */
export interface Parts {
  /** What to hand to the binding, one after the other. */
  readonly handed: ReadonlyArray<Uint8Array>
  /** The packets of which that consists. */
  readonly packets: ReadonlyArray<Uint8Array>
  /** The 1-RTT packet at its end, if there is one. */
  readonly oneRtt: Uint8Array | undefined
}

/** Decides for each datagram of one connection whether the binding takes it whole or packet by packet. */
export class Coalesced {
  private keysMayBeGone = false

  /** Records that a timer of the binding has expired: the client may then send a Handshake packet. */
  timedOut(): void {
    this.keysMayBeGone = true
  }

  /**
   * Returns the datagram whole, or each packet of it if they must be handed over `apart`. Leaves out a 1-RTT packet for another
   * connection id than the first packet's (RFC 9000, section 12.2): the binding may leave it as it is, and what it leaves must
   * not be taken for decrypted.
   */
  parts(datagram: Uint8Array, apart: boolean): Parts {
    const packets = splitDatagram(datagram)
    const whole = !this.keysMayBeGone && !apart
    let length = datagram.length
    let oneRtt: Uint8Array | undefined
    if (packets.length > 1 && !isLongHeader(packets.at(-1)!)) {
      oneRtt = packets.at(-1)!
      if (!hasIdOf(datagram, oneRtt)) {
        length -= oneRtt.length
        packets.pop()
        oneRtt = undefined
      }
    }
    // An Initial packet that is alone leaves the keys; a Handshake packet, or any packet behind an Initial one, may not.
    if (packets.length > 1 || (datagram[0]! & 0x30) !== 0) this.keysMayBeGone = true
    return { handed: whole ? [datagram.subarray(0, length)] : packets, packets, oneRtt }
  }
}

/** Whether a packet with a short header is for the destination id of one with a long header. */
const hasIdOf = (long: Uint8Array, short: Uint8Array): boolean => {
  if (long[5] !== connectionIdLength) return false
  for (let i = 0; i < connectionIdLength; i++) if (long[6 + i] !== short[1 + i]) return false
  return true
}
