/**
 * Where a connection's peer is. A NAT on the way may give it another address at any time, so the address of the packet
 * that the peer sent last counts (RFC 9000, section 9.3): one that was overtaken on the way tells nothing. But somebody
 * who caught that packet may only have sent it on, and what is sent there is lost then: until a second packet comes from
 * there, what has to be sent again goes by turns to where the peer was before, too.
 *
 * A client that moves right after the handshake may have nothing to say but handshake packets, which cannot be read any
 * more and prove nothing. Some of what has to be sent again goes to where they come from: no more than three times what
 * came (RFC 9000, section 8.1), since anybody may have sent them.
 */
import * as NetAddress from "effect/net/NetAddress"
import type { PacketNumber } from "../packets/packetHeader.ts"
import { minInitialLength } from "../tunables.ts"

/** RFC 9000, section 8.1. */
const amplification = 3

/** Bytes; whoever sends more than a little for nothing earns no more by it. */
const maxCredit = 8 * minInitialLength

export class PeerAddress {
  /** As far as is known. */
  current: NetAddress.InetAddress
  /** Where packets go. */
  target: NetAddress.InetAddress
  private host: string
  private port: number
  /** The last that more than one packet came from, when `current` is not. */
  private proven: NetAddress.InetAddress | undefined = undefined
  /** Packets that have come, from wherever. */
  arrived = 0
  /** The packet that came from `current` first: its number, and how many had come by then. */
  private movedBy: PacketNumber | undefined = undefined
  private arrivedBefore = 0
  /** Where packets come from that may be the peer's, and how many bytes may be sent there. */
  private rumoured: NetAddress.InetAddress | undefined = undefined
  private credit = 0
  private tryingRumour = false

  constructor(address: NetAddress.InetAddress) {
    this.current = this.target = address
    this.host = NetAddress.formatHost(address)
    this.port = address.port
  }

  is(host: string, port: number): boolean {
    return port === this.port && host === this.host
  }

  /** Whether one more packet from `current` would tell something. */
  get isDoubtful(): boolean {
    return this.proven !== undefined || this.rumoured !== undefined
  }

  /** Where a packet of so many bytes goes. */
  targetOf(bytes: number): NetAddress.InetAddress {
    if (this.tryingRumour && this.rumoured !== undefined) {
      this.credit -= bytes
      if (this.credit >= 0) return this.rumoured
      this.tryingRumour = false
    }
    return this.target
  }

  /** A packet of so many bytes has come from there, which may be the peer's. */
  rumour(from: NetAddress.InetAddress, bytes: number): void {
    if (this.rumoured === undefined || NetAddress.formatInet(this.rumoured) !== NetAddress.formatInet(from)) {
      this.forgetRumour()
      this.rumoured = from
    }
    this.credit = Math.min(this.credit + amplification * bytes, maxCredit)
  }

  private forgetRumour(): void {
    this.rumoured = undefined
    this.credit = 0
    this.tryingRumour = false
  }

  /** A packet of the peer's has come from there. Answers whether that is where it is now. */
  move(to: NetAddress.InetAddress, number: PacketNumber | undefined): boolean {
    if (this.wasOvertaken(number)) return false
    this.movedBy = number
    this.arrivedBefore = this.arrived
    const proven = this.proven ?? this.current
    this.proven = NetAddress.formatInet(proven) === NetAddress.formatInet(to) ? undefined : proven
    this.forgetRumour()
    this.current = this.target = to
    this.host = NetAddress.formatHost(to)
    this.port = to.port
    return true
  }

  /** Another packet of the peer's has come from `current`. */
  prove(): void {
    this.forgetRumour()
    this.proven = undefined
    this.target = this.current
  }

  /** Nothing was heard, and something is to be sent again. */
  retry(): void {
    this.tryingRumour = !this.tryingRumour && this.credit >= minInitialLength
    if (this.tryingRumour) return
    if (this.proven !== undefined) this.target = this.target === this.current ? this.proven : this.current
  }

  /**
   * Whether it was sent before the one that told of `current`. Packets of the handshake, which have no such number, were.
   * Only the last bytes of numbers are known (RFC 9000, section 17.1), so after many more packets nothing can be said.
   */
  private wasOvertaken(number: PacketNumber | undefined): boolean {
    const { movedBy } = this
    if (movedBy === undefined) return false
    if (number === undefined) return true
    const { length, value } = number
    const range = 256 ** Math.min(length, movedBy.length)
    if (this.arrived - this.arrivedBefore >= range / 4) return false
    const behind = (((movedBy.value - value) % range) + range) % range
    return behind > 0 && behind < range / 2
  }
}
