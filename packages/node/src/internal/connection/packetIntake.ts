/**
 * Which packets of the peer a connection takes, and who learns of each.
 */
import type * as NetAddress from "effect/net/NetAddress"
import type { NativeConnection } from "../binding/native.ts"
import type { ConnectionIds } from "../packets/connectionIds.ts"
import { isLongHeader, isRetry } from "../packets/packetHeader.ts"
import type { PacketReceiver } from "../path/packetReceiver.ts"
import type { PacketSender } from "../path/packetSender.ts"
import { maxSendPayload } from "../binding/nativeConfig.ts"
import { maxHandshakeBytes, maxMemoryBeforeAdmission } from "../tunables/handshakes.ts"
import type { Handshake } from "./handshake.ts"
import { Hold } from "./hold.ts"
import type { Lifecycle } from "./lifecycle.ts"
import type { PeerFrames } from "./peerFrames.ts"
import type { ReceiveBudget } from "./receiveBudget.ts"
import type { Turns } from "./turns.ts"

/** The parts of the connection, and the connection itself, as far as the intake needs them. */
export interface PacketIntakeHost {
  readonly native: NativeConnection
  readonly lifecycle: Lifecycle
  readonly handshake: Handshake
  readonly ids: ConnectionIds
  readonly frames: PeerFrames
  readonly budget: ReceiveBudget
  readonly receiver: PacketReceiver
  readonly sender: PacketSender
  readonly turns: Turns
  /** Whether only some of the peer's packets are taken. */
  readonly isHeldBack: () => boolean
  /** How much of the limit for unread bytes is in use, as a part of it. */
  readonly fill: () => number
  /** Asks for a turn soon. */
  readonly schedule: () => void
  /** The peer's address has changed. */
  readonly onMoved: () => void
}

/** Decides on each packet of one peer, gives it to the binding, and tells the other parts of the connection. */
export class PacketIntake {
  private readonly host: PacketIntakeHost
  private hold: Hold | undefined = undefined
  private handshakeBytes = 0

  constructor(host: PacketIntakeHost) {
    this.host = host
  }

  /**
   * Takes a datagram, which comes from `elsewhere` if not from the peer's address, and which is for the id `key` if it has a
   * short header. The binding decrypts in place, so the datagram is not usable afterwards.
   */
  receive(datagram: Uint8Array, elsewhere: NetAddress.InetAddress | undefined, key: string | undefined): void {
    const { frames, ids, lifecycle } = this.host
    if (lifecycle.hasEnded) return
    if (key !== undefined && !ids.accepts(key)) return
    if ((this.host.isHeldBack() || frames.isNearLimit) && !this.admitHeldBack(datagram.length)) return
    this.takeIn(datagram, elsewhere)
  }

  /**
   * Takes a packet that may be a stateless reset with the token that the binding knows. Returns whether it is one. If it is
   * none, any host may have sent it, and nothing changes.
   */
  receiveUnknown(packet: Uint8Array): boolean {
    const { lifecycle, native, receiver, turns } = this.host
    if (lifecycle.hasEnded) return false
    receiver.receive(packet, undefined, lifecycle.wasEstablished, false)
    if (!native.isClosed()) return false
    turns.packetArrived(false)
    this.host.schedule()
    return true
  }

  /** Takes a stateless reset with the token of an id that the peer has issued. */
  receiveReset(): void {
    const { lifecycle, turns } = this.host
    if (lifecycle.hasEnded) return
    turns.packetArrived(false)
    lifecycle.receiveReset()
  }

  private takeIn(datagram: Uint8Array, elsewhere: NetAddress.InetAddress | undefined): void {
    const { budget, handshake, ids, lifecycle, native, receiver, sender, turns } = this.host
    const established = lifecycle.wasEstablished
    if (!established && !this.isWithinHandshake(datagram.length)) return
    budget.received(datagram.length)
    turns.packetArrived(true)
    const hasMoved = receiver.receive(datagram, elsewhere, established, true)
    if (isRetry(datagram)) handshake.receivedRetry()
    if (!isLongHeader(datagram) && (established || native.isEstablished())) {
      ids.taken()
      handshake.receivedOneRtt()
    }
    if (hasMoved) {
      sender.pathChanged()
      this.host.onMoved()
    }
    this.host.schedule()
  }

  /** Returns whether a datagram of `bytes` is taken although the peer is held back. It counts as taken then. */
  private admitHeldBack(bytes: number): boolean {
    const now = performance.now()
    const fill = this.host.isHeldBack() ? this.host.fill() : 0
    return (this.hold ??= new Hold()).admit(bytes, now, fill)
  }

  /** Returns whether a datagram of `bytes` is taken before the peer is admitted. It counts as taken then. */
  private isWithinHandshake(bytes: number): boolean {
    const { frames, handshake, lifecycle, native } = this.host
    // No peer that is let in sends a larger one, and in one datagram there is room for many pieces.
    if (bytes > maxSendPayload) return false
    if (native.isEstablished()) {
      if (frames.memory > maxMemoryBeforeAdmission) return false
      // In the turn that completes the handshake a peer's whole first flight may come. What comes later waits for the policy.
      return lifecycle.state !== "admitting" || handshake.countBeforeAdmission(bytes)
    }
    if (this.handshakeBytes > maxHandshakeBytes || frames.isHandshakeInPieces) return false
    this.handshakeBytes += bytes
    return true
  }
}
