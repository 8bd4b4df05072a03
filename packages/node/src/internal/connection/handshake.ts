/**
 * The handshake of a connection: its failures, the packets that are left to be sent once it is complete, and its confirmation
 * by the peer.
 */
import type { PeerId } from "@qp2p/core/PeerId"
import type { NativeConnection } from "../binding/native.ts"
import { idKey, idOf, keyOf } from "../packets/packetHeader.ts"
import type { ClientIds } from "../packets/initialClose.ts"
import { maxBytesBeforeAdmission } from "../tunables/handshakes.ts"

/** Holds what went wrong during the handshake, and tells whether its last packets have left and have arrived. */
export class Handshake {
  private readonly native: NativeConnection
  private readonly dialled: boolean
  /** Whether everything has left that was to be sent when the handshake was complete. */
  private sent = false
  private oneRttReceived = false
  private pingDue = false
  private code: string | undefined = undefined
  private late = false
  private otherVersions = false
  private rejectedPeer: PeerId | undefined = undefined
  private confirmed = false
  private confirmationReported = false
  private bytesBeforeAdmission = 0
  /** Whether this is a dial, and the peer is not admitted. */
  private mayWithdraw: boolean
  /** The id that the keys of a dial's Initial packets follow from (RFC 9001, section 5.2), when one has left. */
  private keyId: string | undefined = undefined

  constructor(native: NativeConnection, dialled: boolean) {
    this.native = native
    this.dialled = dialled
    this.mayWithdraw = dialled
  }

  /** The code of the system's error, if it has refused to send a packet of the handshake. */
  get refusal(): string | undefined {
    return this.code
  }

  /** Whether the handshake has taken too long. */
  get timedOut(): boolean {
    return this.late
  }

  /** Whether the server speaks no version of this side's. */
  get versionMismatch(): boolean {
    return this.otherVersions
  }

  /** The peer that this side has refused, if it has. */
  get refusedPeer(): PeerId | undefined {
    return this.rejectedPeer
  }

  /** Records that this side refuses the peer. */
  refusePeer(peer: PeerId): void {
    this.rejectedPeer = peer
  }

  /** Records a packet that leaves before the peer has shown its key. The first one of a dial has the id that the server is to change. */
  packetSent(packet: Uint8Array): void {
    if (this.dialled) this.keyId ??= idKey(packet, 6, 6 + packet[5]!)
  }

  /** Records a Retry packet: the next Initial packets have other keys, unless the server has answered before. */
  receivedRetry(): void {
    if (this.dialled && this.native.stats().recv === 0) this.keyId = keyOf(this.native.destinationId())
  }

  /** The ids of a packet that withdraws this dial, if there is no other way to tell the server. */
  get withdrawalIds(): ClientIds | undefined {
    const { native } = this
    if (!this.mayWithdraw) return undefined
    // The server has the dial half open before its first answer arrives, and the binding would send nothing. When the
    // handshake is complete on this side only, the binding would send the certificate first.
    if (!native.isEstablished() && native.stats().recv > 0) return undefined
    const dcid = native.destinationId()
    return { keyId: this.keyId === undefined ? dcid : idOf(this.keyId), dcid, scid: native.sourceId() }
  }

  /** Records that the peer is admitted: the dial cannot be withdrawn any more. */
  admitPeer(): void {
    this.mayWithdraw = false
    this.keyId = undefined
  }

  /**
   * Counts a datagram of `bytes` that comes before the peer is admitted. Returns whether it is taken: the binding keeps what it
   * brings.
   */
  countBeforeAdmission(bytes: number): boolean {
    this.bytesBeforeAdmission += bytes
    return this.bytesBeforeAdmission <= maxBytesBeforeAdmission
  }

  /** Whether the peer of a dial has confirmed the handshake (RFC 9001, section 4.1.2). */
  get isConfirmed(): boolean {
    return this.confirmed
  }

  /** Records that the peer has confirmed the handshake. */
  confirm(): void {
    this.confirmed = true
  }

  /** Returns true once: when the peer has confirmed the handshake and that was not told yet. */
  takeConfirmation(): boolean {
    if (!this.confirmed || this.confirmationReported) return false
    this.confirmationReported = true
    return true
  }

  /** Records that the system has refused to send a packet. */
  refused(code: string): void {
    this.code = code
  }

  /** Records that the handshake has exceeded its timeout. */
  timeOut(): void {
    this.late = true
  }

  /** Records that the server speaks no QUIC version of this side's (RFC 9000, section 6.2). */
  mismatchVersion(): void {
    this.otherVersions = true
  }

  /** Records a 1-RTT packet of the peer: it has a short header. */
  receivedOneRtt(): void {
    this.oneRttReceived = true
  }

  /** A PING is due as soon as everything has left that is to be sent now. */
  pingWhenSent(): void {
    this.pingDue = true
  }

  /** Everything has left. Returns whether a PING is due. */
  allSent(): boolean {
    if (this.sent) return false
    this.sent = true
    return this.pingDue
  }

  /**
   * Whether packets may be part of the handshake. Such datagrams have the size that every path carries: a larger one that is
   * lost must not take the handshake along, nor what is sent again of it.
   */
  get isUnderWay(): boolean {
    return !this.sent || (this.dialled && !this.oneRttReceived)
  }

  /** Whether the peer has all of the handshake that it needs to read what this side sends. */
  get peerHasKeys(): boolean {
    // The acceptor's handshake is complete with the dialler's last packet of it, and the acceptor sends nothing in 1-RTT
    // before.
    return this.dialled ? this.oneRttReceived : this.native.isEstablished()
  }
}
