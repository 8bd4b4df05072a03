/**
 * Notices where the packets of a peer come from (RFC 9000, sections 8 and 9), in place of the binding, which must not see a
 * change.
 *
 * Only a packet that the binding has authenticated and not seen before is the peer's. The binding's count of received packets
 * shows whether a packet is one: the count is read before and after, and only where the packet matters.
 */
import type { NativeConnection } from "../binding/native.ts"
import type * as NetAddress from "effect/net/NetAddress"
import { isLongHeader, packetNumberOf } from "../packets/packetHeader.ts"
import type { PeerAddress } from "./peerAddress.ts"

/** Compares the count of authenticated packets before and after each datagram, and tells `PeerAddress` of the peer's. */
export class PathValidation {
  private readonly native: NativeConnection
  private readonly peer: PeerAddress
  private watching = false
  private before = 0

  constructor(native: NativeConnection, peer: PeerAddress) {
    this.native = native
    this.peer = peer
  }

  /**
   * Called before the binding takes a datagram, which comes from `elsewhere` if not from the peer's address. Returns whether
   * the binding must take each of its packets in a call of its own.
   */
  begin(elsewhere: NetAddress.InetAddress | undefined): boolean {
    this.watching = elsewhere !== undefined || this.peer.candidate !== undefined
    if (this.watching) this.before = this.native.stats().recv
    return this.watching
  }

  /** Called after the binding has taken the datagram, whose last packet is `last`. */
  end(datagram: Uint8Array, last: Uint8Array, elsewhere: NetAddress.InetAddress | undefined): void {
    if (!this.watching) return
    const { peer } = this
    if (this.native.stats().recv === this.before) {
      if (elsewhere !== undefined && isLongHeader(datagram)) peer.addCandidate(elsewhere, datagram.length)
      return
    }
    const number = packetNumberOf(last)
    if (elsewhere === undefined) peer.heardHere(number)
    else peer.heardElsewhere(elsewhere, datagram.length, number)
  }
}
