/**
 * Proves that a peer receives at an address, as path validation does (RFC 9000, section 8.2): by something that only a host can
 * know which has received it there.
 *
 * PATH_CHALLENGE would be that, but the binding ends a connection whose challenge is not answered before the next timer. And an
 * acknowledgement alone proves nothing: a peer may acknowledge what it has not received, and the binding takes that. So some
 * packet numbers are skipped, as RFC 9000, section 21.4 advises. Of each group of numbers one packet, picked at random, leaves
 * for the address, and the others are made and withheld. A peer that acknowledges the packet that left, and none of the others,
 * in as many groups as are needed, has received them. A peer that acknowledges a withheld one has invented it, and loses its
 * connection.
 */
import { randomInt } from "node:crypto"
import {
  acknowledgedProbes,
  firstProofPause,
  longestProofPause,
  minProofPause,
  probeGroup,
  probeSize
} from "../tunables/path.ts"
import { type Candidate, type PeerAddress, spend } from "./peerAddress.ts"

/** Groups of probes that are remembered; an acknowledgement of an older one does not count. */
const maxGroups = 4 * acknowledgedProbes

/** A group of packet numbers. */
interface Group {
  readonly first: number
  readonly last: number
  /** The only one that has left. */
  readonly sent: number
  isAcknowledged: boolean
}

/** The view of the sender: makes packets and has them leave. */
export interface ProbeSender {
  /**
   * Makes a packet with a PING frame of at most `size` bytes, and returns its number and its length; undefined when the binding
   * makes none now.
   */
  readonly makeProbe: (size: number) => { readonly number: number; readonly length: number } | undefined
  /** Has the packet that was made last leave for an address. */
  readonly release: (length: number, candidate: Candidate) => void
}

/** The view of the peer's address. */
export type ProvenPeer = Pick<PeerAddress, "candidate" | "prove">

/** Sends the probes of one connection to the candidate address of its peer, and reads the acknowledgements. */
export class AddressProof {
  private readonly peer: ProvenPeer
  /** The candidate that the groups are about. */
  private subject: Candidate | undefined = undefined
  private groups: Array<Group> = []
  private acknowledgedGroups = 0
  /** Groups that have been sent since the last pause, or acknowledged. */
  private started = 0
  private nextAt = -Infinity
  private pause: number = firstProofPause

  constructor(peer: ProvenPeer) {
    this.peer = peer
  }

  /** Whether an acknowledgement may be about a probe. */
  get isPending(): boolean {
    return this.groups.length > 0
  }

  /** When the next probes are due that wait for no packet, in `performance.now()` milliseconds; `Infinity` for never. */
  get deadline(): number {
    const { candidate } = this.peer
    if (candidate?.first === undefined || candidate.credit < probeSize) return Infinity
    const isUnderWay = candidate === this.subject && this.started > 0 && this.started < acknowledgedProbes
    return isUnderWay ? Infinity : this.nextAt
  }

  /** Whether probes are to be sent. `now` is of `performance.now()`. */
  isDue(now: number): boolean {
    const { candidate } = this.peer
    if (candidate !== this.subject) this.begin(candidate)
    // Of a packet that the binding has not read, the peer may know nothing.
    if (candidate?.first === undefined || candidate.credit < probeSize) return false
    if (this.started > 0 && this.started < acknowledgedProbes) return true
    if (now < this.nextAt) return false
    if (now - this.nextAt > longestProofPause) this.pause = firstProofPause
    if (this.started > 0) this.retry()
    return true
  }

  /** Sends probes, as many as are needed and the candidate has credit for. */
  send(now: number, sender: ProbeSender): void {
    const { subject } = this
    while (subject !== undefined && this.started < acknowledgedProbes && subject.credit >= probeSize) {
      subject.isBlocked = !this.sendGroup(subject, sender)
      if (subject.isBlocked) break
      this.started += 1
      this.nextAt = now + this.pause
    }
  }

  /**
   * The peer has acknowledged the packets `smallest` to `largest`. Returns false when it cannot have received all of them. The
   * candidate is the peer's address once it has acknowledged enough probes.
   */
  acknowledged(smallest: number, largest: number): boolean {
    for (const group of this.groups) {
      const first = Math.max(smallest, group.first)
      const last = Math.min(largest, group.last)
      if (first > last) continue
      if (first !== group.sent || last !== group.sent) return false
      if (group.isAcknowledged) continue
      group.isAcknowledged = true
      this.acknowledgedGroups += 1
    }
    if (this.acknowledgedGroups >= acknowledgedProbes && this.peer.candidate === this.subject) this.succeed()
    return true
  }

  private begin(candidate: Candidate | undefined): void {
    this.subject = candidate
    this.groups = []
    this.acknowledgedGroups = 0
    if (this.started > 0) this.retry()
  }

  /** The probes that are not acknowledged count as lost. The pauses grow, whatever the candidate. */
  private retry(): void {
    this.pause = Math.min(2 * this.pause, longestProofPause)
    this.started = this.acknowledgedGroups
  }

  private sendGroup(candidate: Candidate, sender: ProbeSender): boolean {
    const chosen = randomInt(probeGroup)
    let first = 0
    let sent = 0
    for (let i = 0; i < probeGroup; i++) {
      const probe = sender.makeProbe(probeSize)
      if (probe === undefined) return false
      if (i === 0) first = probe.number
      if (i !== chosen) continue
      if (!spend(candidate, probe.length)) return false
      sent = probe.number
      sender.release(probe.length, candidate)
    }
    if (this.groups.length === maxGroups) this.groups.shift()
    this.groups.push({ first, last: first + probeGroup - 1, sent, isAcknowledged: false })
    return true
  }

  private succeed(): void {
    this.peer.prove()
    this.started = 0
    this.begin(undefined)
    this.pause = firstProofPause
    this.nextAt = performance.now() + minProofPause
  }
}
