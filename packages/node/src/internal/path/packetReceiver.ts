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
  private readonly coalesced = new Coalesced()

  constructor(options: {
    readonly native: NativeConnection
    readonly peer: PeerAddress
    readonly from: HostPort
    readonly to: HostPort
  }) {
    this.native = options.native
    this.peer = options.peer
    this.pinned = { from: options.from, to: options.to }
    this.validation = new PathValidation(options.native, options.peer)
  }

  /**
   * Takes a datagram, which comes from `elsewhere` if not from the peer's current address. The binding decrypts in place, so
   * the datagram is not usable afterwards. Returns whether the peer has moved; it only may once the handshake is complete,
   * which `mayMove` tells.
   */
  receive(datagram: Uint8Array, elsewhere: NetAddress.InetAddress | undefined, mayMove: boolean): boolean {
    this.peer.packetArrived()
    const apart = this.validation.begin(elsewhere)
    let last = datagram
    if (isLongHeader(datagram)) {
      for (const packet of this.coalesced.parts(datagram, apart)) {
        this.handOver(packet)
        last = packet
      }
    } else this.handOver(datagram)
    return mayMove && this.validation.end(datagram, last, elsewhere)
  }

  /** A timer of the binding has expired. */
  timedOut(): void {
    this.coalesced.timedOut()
  }

  private handOver(packet: Uint8Array): void {
    try {
      this.native.recv(packet, this.pinned)
    } catch {
      // Stray and damaged packets throw, too. A fatal error shows in `localError`, which the turn looks at.
    }
  }
}
