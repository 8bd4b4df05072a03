/**
 * The address of a connection's peer, and the address at which it may be by now.
 *
 * A NAT on the way may give the peer another address at any time, and so may another network (RFC 9000, section 9). But a packet
 * proves nothing about where it came from: any host may have written that address on it, the peer included. So a packet
 * from another address makes that address a candidate. The candidate gets at most three times the bytes that came from it
 * (RFC 9000, section 8.1) until `AddressProof` shows that the peer receives there. Until then the last proven address is the
 * peer's, for packets and for the owner of the connection.
 *
 * A peer whose packets come from its proven address is there: the candidate is dropped, unless those packets were sent before the one
 * that told of it. A client that moves right after the handshake may have only handshake packets to send, which the binding
 * cannot read any more. Their address is a candidate, too, which gets some retransmissions.
 */
import * as NetAddress from "effect/net/NetAddress"
import { minDatagramSize } from "../packets/datagramSize.ts"
import type { PacketNumber } from "../packets/packetHeader.ts"
import { acknowledgedProbes, probeSize } from "../tunables/path.ts"

/** How many times the received bytes may be sent to an address that is not proven (RFC 9000, section 8.1). */
const amplificationLimit = 3

/** In bytes: more from a candidate earns no more credit. */
const maxCredit = 8 * minDatagramSize

/** In bytes: packets with less room carry hardly anything. */
const minRetry = 64

/** In bytes: so much of a candidate's credit is for probes. */
const reserve = acknowledgedProbes * probeSize

/** When a packet came: its number, and how many packets of the peer had come by then. */
interface Arrival {
  readonly number: PacketNumber | undefined
  readonly arrived: number
}

/** An address at which the peer may be. */
export interface Candidate {
  readonly address: NetAddress.InetAddress
  /** The first packet of the peer's from there; undefined while only packets came that the binding has not read. */
  first: Arrival | undefined
  /** How many bytes may be sent there. */
  credit: number
  /** Whether the congestion window leaves no room for probes. An acknowledged retransmission makes some. */
  isBlocked: boolean
}

/** Holds the proven and the candidate address of one peer, and chooses the target of each packet. */
export class PeerAddress {
  private address: NetAddress.InetAddress
  private host: string
  private port: number
  private suspect: Candidate | undefined = undefined
  /** How many packets have arrived, from any address. */
  private arrived = 0
  /** The first packet from the proven address, if the peer has moved there. */
  private movedBy: Arrival | undefined = undefined
  private tryingCandidate = false

  constructor(address: NetAddress.InetAddress) {
    this.address = address
    this.host = NetAddress.formatHost(address)
    this.port = address.port
  }

  /** The peer's address: the last one at which it has proven to receive. */
  get current(): NetAddress.InetAddress {
    return this.address
  }

  /** Where the peer may be by now. */
  get candidate(): Candidate | undefined {
    return this.suspect
  }

  is(host: string, port: number): boolean {
    return port === this.port && host === this.host
  }

  /** Counts a packet that has arrived, from any address. */
  packetArrived(): void {
    this.arrived += 1
  }

  /** Records a datagram of `bytes` from another address, of which the binding has read nothing: any host may have sent it. */
  addCandidate(from: NetAddress.InetAddress, bytes: number): void {
    const known = this.suspect
    // It takes nothing from an address that the peer itself has told of.
    if (known?.first !== undefined && !isAt(known, from)) return
    earn(this.candidateAt(from), bytes)
  }

  /** Records an authenticated datagram of `bytes` from another address than the proven one. */
  heardElsewhere(from: NetAddress.InetAddress, bytes: number, number: PacketNumber | undefined): void {
    // The peer may have proven it by this very datagram.
    if (isSame(from, this.address)) return this.heardHere(number)
    if (this.wasOvertaken(number, this.movedBy)) return
    const known = this.suspect
    if (known !== undefined && !isAt(known, from) && this.wasOvertaken(number, known.first)) return
    const candidate = this.candidateAt(from)
    candidate.first ??= { number, arrived: this.arrived }
    earn(candidate, bytes)
  }

  /** Records an authenticated datagram from the proven address. */
  heardHere(number: PacketNumber | undefined): void {
    if (this.suspect !== undefined && !this.wasOvertaken(number, this.suspect.first)) this.dropCandidate()
  }

  /** The peer has proven to receive at the candidate address. */
  prove(): void {
    const { suspect } = this
    if (suspect === undefined) return
    this.dropCandidate()
    this.movedBy = suspect.first
    this.address = suspect.address
    this.host = NetAddress.formatHost(suspect.address)
    this.port = suspect.address.port
  }

  /** The most bytes that the next packet may have, of `size`. */
  sizeOf(size: number): number {
    if (!this.tryingCandidate) return size
    const most = creditForRetries(this.suspect!)
    if (most >= minRetry) return Math.min(size, most)
    this.tryingCandidate = false
    return size
  }

  /** The address that a packet of `bytes` goes to. */
  targetOf(bytes: number): NetAddress.InetAddress {
    if (!this.tryingCandidate || !spend(this.suspect!, bytes)) return this.address
    return this.suspect!.address
  }

  /** Changes the target for a retransmission: the packets to the last one stayed unanswered. */
  retry(): void {
    const { suspect } = this
    this.tryingCandidate = !this.tryingCandidate && suspect !== undefined && creditForRetries(suspect) >= minRetry
  }

  private candidateAt(from: NetAddress.InetAddress): Candidate {
    if (this.suspect !== undefined && isAt(this.suspect, from)) return this.suspect
    this.dropCandidate()
    return (this.suspect = { address: from, first: undefined, credit: 0, isBlocked: false })
  }

  private dropCandidate(): void {
    this.suspect = undefined
    this.tryingCandidate = false
  }

  /**
   * Whether a packet was sent before another one, which came from another address. Handshake packets, which have no such number,
   * were. A packet carries only the last bytes of its number (RFC 9000, section 17.1), so after many more packets the numbers
   * tell nothing.
   */
  private wasOvertaken(number: PacketNumber | undefined, by: Arrival | undefined): boolean {
    if (by?.number === undefined) return false
    if (number === undefined) return true
    const { length, value } = number
    const range = 256 ** Math.min(length, by.number.length)
    if (this.arrived - by.arrived >= range / 4) return false
    const behind = (((by.number.value - value) % range) + range) % range
    return behind > 0 && behind < range / 2
  }
}

/** Takes `bytes` from what may be sent to a candidate. Returns false, and takes nothing, when it is less. */
export const spend = (candidate: Candidate, bytes: number): boolean => {
  if (candidate.credit < bytes) return false
  candidate.credit -= bytes
  return true
}

/** In bytes. An address that only packets have named which the binding has not read gets no probes. */
const creditForRetries = ({ credit, first, isBlocked }: Candidate): number =>
  first === undefined || isBlocked ? credit : credit - reserve

const earn = (candidate: Candidate, bytes: number): void => {
  candidate.credit = Math.min(candidate.credit + amplificationLimit * bytes, maxCredit)
}

const isAt = ({ address }: Candidate, other: NetAddress.InetAddress): boolean => isSame(address, other)

const isSame = (one: NetAddress.InetAddress, other: NetAddress.InetAddress): boolean =>
  one === other || NetAddress.formatInet(one) === NetAddress.formatInet(other)
