/**
 * Asks the owner of a socket, after each handshake, whether the connection with the peer may go on.
 */
import type { SocketEvents } from "@qp2p/core/Transport"
import type { PeerId } from "@qp2p/core/PeerId"
import type * as NetAddress from "effect/net/NetAddress"

/** The view of a connection. */
interface Admissible {
  readonly peerId: PeerId
  readonly remoteAddress: NetAddress.InetAddress
  readonly dialled: boolean
}

/** Calls `onHandshake` of one socket. */
export class PeerAdmission {
  private readonly onHandshake: SocketEvents["onHandshake"]
  private readonly onDefect: (defect: unknown) => void

  /** Without `onHandshake`, every peer is admitted. */
  constructor(onHandshake: SocketEvents["onHandshake"], onDefect: (defect: unknown) => void) {
    this.onHandshake = onHandshake
    this.onDefect = onDefect
  }

  /**
   * Asks about the peer of a connection. A defect refuses it, and costs no other connection. The returned function ends the
   * question.
   */
  ask({ dialled, peerId, remoteAddress }: Admissible, decide: (isAdmitted: boolean) => void): (() => void) | undefined {
    if (this.onHandshake === undefined) {
      decide(true)
      return undefined
    }
    try {
      const direction = dialled ? "Outbound" : "Inbound"
      const cancel = this.onHandshake({ peerId, address: remoteAddress, direction }, decide)
      return typeof cancel === "function" ? () => this.end(cancel) : undefined
    } catch (defect) {
      this.onDefect(defect)
      decide(false)
      return undefined
    }
  }

  private end(cancel: () => void): void {
    try {
      cancel()
    } catch (defect) {
      this.onDefect(defect)
    }
  }
}
