/**
 * The address of a connection's peer, and the address that packets to it go to.
 *
 * A NAT on the way may give the peer another address at any time, so the address of the packet that the peer sent last counts
 * (RFC 9000, section 9.3); an older packet that was overtaken does not. But an attacker on the path may have forwarded that packet,
 * and then packets to the new address are lost. So the new address is validated by a second packet from it. Until
 * that comes, retransmissions go by turns to the last validated address, too.
 *
 * A client that moves right after the handshake may have only handshake packets to send, which the binding cannot read any
 * more and which therefore validate nothing. Their address is a candidate: some retransmissions go there, at most three times
 * the bytes that came from it (RFC 9000, section 8.1), since any host may have sent them.
 */
import * as NetAddress from "effect/net/NetAddress"
import { minDatagramSize } from "../packets/datagramSize.ts"
import type { PacketNumber } from "../packets/packetHeader.ts"

/** How many times the received bytes may be sent to an address that is not validated (RFC 9000, section 8.1). */
const amplificationLimit = 3

/** In bytes: more from a candidate earns no more credit. */
const maxCredit = 8 * minDatagramSize

/**
 * Holds the current, the last validated and the candidate address of one peer, and chooses the target of each packet.
 */
export class PeerAddress {
  private address: NetAddress.InetAddress
  private destination: NetAddress.InetAddress
  private host: string
  private port: number
  /** The last validated address, while the current one is not validated. */
  private validated: NetAddress.InetAddress | undefined = undefined
  /** How many packets have arrived, from any address. */
  private arrived = 0
  /** The first packet from the current address: its number, and how many packets had arrived by then. */
  private movedBy: PacketNumber | undefined = undefined
  private arrivedBefore = 0
  /** An address that may be the peer's, and how many bytes may be sent to it. */
  private candidate: NetAddress.InetAddress | undefined = undefined
  private credit = 0
  private tryingCandidate = false

  constructor(address: NetAddress.InetAddress) {
    this.address = this.destination = address
    this.host = NetAddress.formatHost(address)
    this.port = address.port
  }

  /** The peer's address, as far as is known. */
  get current(): NetAddress.InetAddress {
    return this.address
  }

  /** The address that packets go to, unless the candidate is tried. */
  get target(): NetAddress.InetAddress {
    return this.destination
  }

  is(host: string, port: number): boolean {
    return port === this.port && host === this.host
  }

  /** Whether the next packet from the current address validates it, or rules the candidate out. */
  get needsValidation(): boolean {
    return this.validated !== undefined || this.candidate !== undefined
  }

  /** Counts a packet that has arrived, from any address. */
  packetArrived(): void {
    this.arrived += 1
  }

  /** The address that a packet of `bytes` goes to. */
  targetOf(bytes: number): NetAddress.InetAddress {
    if (this.tryingCandidate && this.candidate !== undefined) {
      this.credit -= bytes
      if (this.credit >= 0) return this.candidate
      this.tryingCandidate = false
    }
    return this.destination
  }

  /** Records a packet of `bytes` from an address that may be the peer's. */
  addCandidate(from: NetAddress.InetAddress, bytes: number): void {
    if (this.candidate === undefined || NetAddress.formatInet(this.candidate) !== NetAddress.formatInet(from)) {
      this.dropCandidate()
      this.candidate = from
    }
    this.credit = Math.min(this.credit + amplificationLimit * bytes, maxCredit)
  }

  private dropCandidate(): void {
    this.candidate = undefined
    this.credit = 0
    this.tryingCandidate = false
  }

  /** Records an authenticated packet from another address. Returns whether that address is the peer's address now. */
  move(to: NetAddress.InetAddress, number: PacketNumber | undefined): boolean {
    if (this.wasOvertaken(number)) return false
    this.movedBy = number
    this.arrivedBefore = this.arrived
    const validated = this.validated ?? this.address
    this.validated = NetAddress.formatInet(validated) === NetAddress.formatInet(to) ? undefined : validated
    this.dropCandidate()
    this.address = this.destination = to
    this.host = NetAddress.formatHost(to)
    this.port = to.port
    return true
  }

  /** Validates the current address: another packet of the peer's has come from it. */
  validate(): void {
    this.dropCandidate()
    this.validated = undefined
    this.destination = this.address
  }

  /** Changes the target for a retransmission: the packets to the last one stayed unanswered. */
  retry(): void {
    this.tryingCandidate = !this.tryingCandidate && this.credit >= minDatagramSize
    if (this.tryingCandidate) return
    if (this.validated !== undefined) {
      this.destination = this.destination === this.address ? this.validated : this.address
    }
  }

  /**
   * Whether the packet was sent before the one that told of the current address. Handshake packets, which have no such number,
   * were. A packet carries only the last bytes of its number (RFC 9000, section 17.1), so after many more packets the numbers
   * tell nothing.
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
