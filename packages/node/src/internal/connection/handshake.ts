/**
 * The handshake of a connection: its failures, and the packets that are left to be sent once it is complete.
 */
import type { NativeConnection } from "../binding/native.ts"

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

  constructor(native: NativeConnection, dialled: boolean) {
    this.native = native
    this.dialled = dialled
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
    // The acceptor's handshake is complete with the dialler's last packet of it, and the acceptor sends nothing in 1-RTT before.
    return this.dialled ? this.oneRttReceived : this.native.isEstablished()
  }
}
