/**
 * Hands a connection's packets to the binding, and notices when they come from another address.
 */
import type * as NetAddress from "effect/net/NetAddress"
import type { NativeConnection } from "../binding/native.ts"
import { Coalesced } from "../packets/coalesced.ts"
import { isLongHeader } from "../packets/packetHeader.ts"
import { PathValidation } from "./pathValidation.ts"
import type { PeerAddress } from "./peerAddress.ts"

/** An address as the binding takes it. The host is a bare literal, without brackets and zone. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

/** Reads the packets that the binding has decrypted. */
export interface DecryptedPackets {
  /** Set when the binding must not get any further packet. */
  readonly violation: object | undefined
  readonly take: (packet: Uint8Array) => void
  /** Takes a packet with a long header. */
  readonly takeHandshake: (packet: Uint8Array) => void
  /** Packets may have been authenticated that are not taken. */
  readonly longHeaderTaken: () => void
}

/**
 * Gives datagrams to the binding of one connection, from a fixed address, and passes changes of address to `PathValidation`.
 */
export class PacketReceiver {
  private readonly native: NativeConnection
  private readonly peer: PeerAddress
  /**
   * The addresses that the binding is told of every packet: always those of the first one. The binding must not see a peer
   * change its address: four packets from two addresses freeze the process inside `send` (CVE-2025-7054), and path events
   * queue without bound (CVE-2026-12707).
   */
  private readonly pinned: { readonly from: HostPort; readonly to: HostPort }
  private readonly validation: PathValidation
  private readonly frames: DecryptedPackets
  private readonly coalesced = new Coalesced()

  constructor(options: {
    readonly native: NativeConnection
    readonly peer: PeerAddress
    readonly from: HostPort
    readonly to: HostPort
    readonly frames: DecryptedPackets
  }) {
    this.native = options.native
    this.peer = options.peer
    this.pinned = { from: options.from, to: options.to }
    this.frames = options.frames
    this.validation = new PathValidation(options.native, options.peer)
  }

  /**
   * Takes a datagram, which comes from `elsewhere` if not from the peer's current address. The binding decrypts in place, so
   * the datagram is not usable afterwards. Returns whether the peer has moved: it has proven by the datagram that it receives
   * at another address. Only when the handshake is complete it may, which `mayMove` tells. `own` tells whether its destination
   * id belongs to this connection.
   */
  receive(
    datagram: Uint8Array,
    elsewhere: NetAddress.InetAddress | undefined,
    mayMove: boolean,
    own: boolean
  ): boolean {
    if (this.frames.violation !== undefined || !isPacket(datagram)) return false
    const { current } = this.peer
    if (own) this.peer.packetArrived()
    const apart = this.validation.begin(elsewhere)
    let last = datagram
    if (isLongHeader(datagram)) {
      // What follows a packet that fails is left as it is. So a datagram is handed over whole during the handshake only: what
      // completes that has not failed.
      const parts = this.coalesced.parts(datagram, apart || this.isEstablished(mayMove))
      for (const packet of parts.handed) {
        // What is left of a datagram behind an Initial packet may be zeros.
        if (!isPacket(packet)) continue
        this.handOver(packet)
        last = packet
      }
      if (!mayMove) {
        for (const packet of parts.packets) if (isLongHeader(packet)) this.frames.takeHandshake(packet)
      }
      if (parts.oneRtt !== undefined && isPacket(parts.oneRtt)) this.readFrames(parts.oneRtt, mayMove)
      this.frames.longHeaderTaken()
    } else {
      this.handOver(datagram)
      if (own) this.readFrames(datagram, mayMove)
    }
    if (mayMove) this.validation.end(datagram, last, elsewhere)
    return this.peer.current !== current
  }

  /** A timer of the binding has expired. */
  timedOut(): void {
    this.coalesced.timedOut()
  }

  /** Before the handshake is complete the binding decrypts no packet with a short header. */
  private readFrames(packet: Uint8Array, established: boolean): void {
    if (this.isEstablished(established)) this.frames.take(packet)
  }

  private isEstablished(known: boolean): boolean {
    return known || this.native.isEstablished()
  }

  private handOver(packet: Uint8Array): void {
    try {
      this.native.recv(packet, this.pinned)
    } catch {
      // Stray and damaged packets throw, too. A fatal error shows in `localError`, which the turn looks at.
    }
  }
}

/**
 * Whether the fixed bit is set, or the bit of a long header. A packet without it is to be discarded (RFC 9000, section 17.3.1),
 * and the binding would take it.
 */
const isPacket = (packet: Uint8Array): boolean => (packet[0]! & 0xc0) !== 0
