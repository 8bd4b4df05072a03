/**
 * The turns of a connection: each reads what has arrived, completes what was acknowledged, writes what is queued, and
 * flushes the packets that result, in this order.
 */
import { INTERNAL_ERROR } from "../binding/errorCodes.ts"
import type { NativeConnection } from "../binding/native.ts"
import type { ConnectionEvents } from "@qp2p/core/Transport"
import type { ConnectionIds } from "../packets/connectionIds.ts"
import type { MtuDiscovery } from "../path/mtuDiscovery.ts"
import type { PacketReceiver } from "../path/packetReceiver.ts"
import type { Flushed, PacketSender } from "../path/packetSender.ts"
import type { AddressProof } from "../path/addressProof.ts"
import type { PeerAddress } from "../path/peerAddress.ts"
import type { AcknowledgedPackets } from "../streams/acknowledgedPackets.ts"
import type { ConnectionStreams } from "./connectionStreams.ts"
import type { Datagrams } from "./datagrams.ts"
import type { Handshake } from "./handshake.ts"
import type { Lifecycle } from "./lifecycle.ts"
import type { PeerActivity } from "./peerActivity.ts"
import type { PeerFrames } from "./peerFrames.ts"
import type { ReceiveBudget } from "./receiveBudget.ts"
import type { Responsiveness } from "./responsiveness.ts"
import * as tunables from "../tunables/turns.ts"

/** The parts of the connection, and the connection itself, as far as turns need them. */
export interface TurnsHost {
  readonly native: NativeConnection
  readonly lifecycle: Lifecycle
  readonly handshake: Handshake
  readonly activity: PeerActivity
  readonly responsiveness: Responsiveness
  readonly budget: ReceiveBudget
  readonly frames: PeerFrames
  readonly streams: ConnectionStreams
  /** Undefined while there were none. */
  readonly usedDatagrams: Datagrams | undefined
  readonly acknowledged: AcknowledgedPackets
  readonly ids: ConnectionIds
  readonly mtu: MtuDiscovery
  readonly peer: PeerAddress
  readonly proof: AddressProof
  readonly receiver: PacketReceiver
  readonly sender: PacketSender
  readonly events: () => ConnectionEvents
  /** Asks for a turn soon. */
  readonly schedule: () => void
  /** `deadline` may have come closer. */
  readonly updateDeadline: () => void
  /** The binding's handshake is complete. */
  readonly onHandshakeComplete: () => void
  /** Acts on the decision about the peer, if there is one. */
  readonly applyDecision: () => void
  /** The peer has accepted this dial. */
  readonly onAccepted: () => void
  /** Puts a PING on the wire. */
  readonly ping: () => void
  /** Closes because of what the transport found. */
  readonly fail: (code: number, detail: string) => void
}

/** How soon the next turn is, in milliseconds, while the rate limit or the kernel holds packets back. */
const heldPause = 2

/** How soon the next turn is, in milliseconds, while a close frame or streams wait for acknowledgements. */
const deferredPause = 10

/**
 * Runs the read, write and later phases of the turns of one connection, and computes the deadline of its next turn.
 */
export class Turns {
  private readonly host: TurnsHost
  private nextAt = Infinity
  private isSaturated = false
  private packetsThisTurn = 0
  private bytesThisTurn = 0
  /** The outcome of sending in this turn. */
  private flushed: Flushed = "all"
  /** Whether packets have come since the last read. */
  private arrived = false
  /** Whether packets to an id of this connection have come in this turn. */
  private receivedThisTurn = false
  /** Counts packets that have come, timers that have expired, and turns that the rate limit or the kernel held back. */
  private occasions = 0

  constructor(host: TurnsHost) {
    this.host = host
  }

  /** When the next turn is due at the latest, in `performance.now()` milliseconds; `Infinity` for never. */
  get deadline(): number {
    return this.nextAt
  }

  /** How many bytes of messages one stream should carry; undefined where it does not depend on the number of connections. */
  get preferredBatchBytes(): number | undefined {
    return this.isSaturated ? tunables.saturatedBatchBytes : undefined
  }

  /** Counts what the connection does: packets in and out, bytes and ends of streams handed on, streams confirmed. */
  get work(): number {
    return this.occasions + this.host.streams.work + this.host.sender.packets
  }

  /** Whether more has arrived than one turn reads. */
  get isUnread(): boolean {
    const { lifecycle, streams } = this.host
    return this.arrived || (streams.incoming.isUnread && lifecycle.isEstablished)
  }

  /** Records a packet. `own` tells whether its destination id belongs to this connection, which other hosts can hardly know. */
  packetArrived(own: boolean): void {
    this.packetsThisTurn += 1
    this.occasions += 1
    this.arrived = true
    if (own) this.receivedThisTurn = true
  }

  /** Runs the binding's timers: loss detection and the idle timeout. They are on the system's clock. */
  expire(): void {
    const { acknowledged, lifecycle, mtu, native, peer, receiver, streams } = this.host
    this.occasions += 1
    const now = performance.now()
    if (lifecycle.hasEnded) return
    // The deadline may be one of the connection's own, too.
    if (native.timeout() === 0) {
      streams.outgoing.expired()
      acknowledged.expired()
      receiver.timedOut()
      mtu.timedOut(now)
      peer.retry()
    }
    native.onTimeout()
    this.host.schedule()
  }

  /** The first part of a turn: hands on what has arrived. */
  read(now: number): void {
    const { activity, handshake, ids, lifecycle, native, streams, usedDatagrams } = this.host
    const { incoming, outgoing } = streams
    // Without news there is nothing to read but what the owner does not want yet, and what came before the peer was admitted.
    const news = this.arrived || incoming.isUnread || !lifecycle.isEstablished
    this.arrived = false
    if (this.packetsThisTurn > 0) ids.readRetired()
    if (this.receivedThisTurn) activity.received(now)
    if (lifecycle.state === "admitting") this.host.applyDecision()
    else if (lifecycle.state === "handshaking" && native.isEstablished()) this.host.onHandshakeComplete()
    if (!news || !lifecycle.isEstablished) return
    if (handshake.takeConfirmation()) this.host.onAccepted()
    outgoing.allowReading()
    this.bytesThisTurn += incoming.read(false)
    if (usedDatagrams !== undefined && lifecycle.isEstablished) {
      this.bytesThisTurn += usedDatagrams.deliver(this.host.events())
    }
  }

  /**
   * The second part: confirms what was acknowledged, and sends. `isSaturated` when so many connections have a turn with it
   * that both ends are busy.
   */
  write(now: number, isSaturated: boolean): void {
    const { acknowledged, budget, frames, handshake, lifecycle, mtu, sender, streams, usedDatagrams } = this.host
    const { outgoing } = streams
    if (lifecycle.state === "closed" || lifecycle.wasReset) return
    this.isSaturated = isSaturated
    const packets = this.packetsThisTurn
    const bytes = this.bytesThisTurn
    this.packetsThisTurn = this.bytesThisTurn = 0
    if (lifecycle.isEstablished) {
      if (packets > 0) {
        outgoing.checkStopped()
        sender.observe(now)
        // Datagrams are acknowledged, too, and complete nothing.
        if (acknowledged.takeLargeArrived()) mtu.acknowledged()
      }
      if (outgoing.completeUni(now, isSaturated)) mtu.acknowledged()
      outgoing.write(now)
      const trouble = budget.audit(packets, bytes, frames.memory, outgoing.queuedAnswers)
      if (frames.violation !== undefined) this.host.fail(frames.violation.code, frames.violation.detail)
      else if (trouble !== undefined) this.host.fail(INTERNAL_ERROR, trouble)
    } else if (lifecycle.state === "admitting") budget.holds(frames.memory)
    this.flushed = "all"
    if (lifecycle.hasEnded) return
    if (lifecycle.state === "closing") return lifecycle.sendClose(now, packets > 0)
    // The packets that complete the handshake may come between the two parts of a turn.
    const { isWithheld } = this
    if (lifecycle.state === "handshaking" && isWithheld) this.host.schedule()
    usedDatagrams?.dropTooLarge()
    this.flushed = isWithheld ? "all" : this.flushReady(now)
    if (this.flushed === "held") this.occasions += 1
    else if (!isWithheld) outgoing.flushed()
    if (this.flushed === "all" && lifecycle.isEstablished && handshake.allSent()) this.host.ping()
  }

  /** The third part: what can wait until the packets are on their way, so that they do not wait for it. */
  afterDispatch(now: number): void {
    const { lifecycle, mtu, native, streams } = this.host
    const { outgoing } = streams
    if (lifecycle.wasReset || native.isClosed() || native.isDraining()) lifecycle.end()
    if (lifecycle.hasEnded) return
    if (lifecycle.isEstablished && outgoing.completeBidi(now)) mtu.acknowledged()
    if (this.flushed === "all" && lifecycle.state !== "closing" && outgoing.hasDeferred) {
      outgoing.completeDeferred(now)
    }
    this.updateDeadline(now)
  }

  /**
   * Whether nothing may leave. The binding's handshake is complete, and the peer is not admitted: its key may be the wrong one,
   * and what would leave shows this side's certificate, or acknowledges messages that may yet be refused.
   */
  private get isWithheld(): boolean {
    const { lifecycle, native } = this.host
    return !lifecycle.wasEstablished && native.isEstablished()
  }

  /** Sends what is ready: up to `most` bytes, or what one turn may send. */
  flush(now: number, most?: number): Flushed {
    return this.isWithheld ? "all" : this.flushReady(now, most)
  }

  private flushReady(now: number, most?: number): Flushed {
    const { handshake, sender } = this.host
    const flushed = sender.flush(now, handshake.isUnderWay, most)
    // The rest is sent in the next turn.
    if (flushed === "more") this.host.schedule()
    return flushed
  }

  /** Moves a deadline that has passed at `now`, or that is later than `until`, to `until`. */
  pauseUntil(until: number, now: number): void {
    this.nextAt = this.nextAt <= now ? until : Math.min(this.nextAt, until)
  }

  private updateDeadline(now: number): void {
    const { lifecycle, native, proof, streams } = this.host
    const { outgoing } = streams
    const timeout = native.timeout()
    // The binding rounds down to whole milliseconds; without the extra one the timer would fire too early and spin.
    let deadline = timeout === null ? Infinity : now + timeout + 1
    if (lifecycle.wasEstablished) deadline = Math.min(deadline, this.checkAnswers(now, timeout))
    if (this.flushed === "held") deadline = Math.min(deadline, now + heldPause)
    if (lifecycle.state === "closing") deadline = Math.min(deadline, now + deferredPause)
    if (outgoing.hasDeferred) deadline = Math.min(deadline, now + deferredPause)
    if (lifecycle.isEstablished) {
      deadline = Math.min(deadline, outgoing.deadline)
      // One that has passed waits for room in the congestion window.
      if (proof.deadline > now) deadline = Math.min(deadline, proof.deadline)
    }
    this.nextAt = deadline
    this.host.updateDeadline()
  }

  /** Checks whether the peer still answers, and returns the time of the next check. */
  private checkAnswers(now: number, timeout: number | null): number {
    const { activity, responsiveness } = this.host
    const received = this.receivedThisTurn
    this.receivedThisTurn = false
    responsiveness.afterTurn(now, received, activity.probeTimeout(now, timeout))
    if (responsiveness.deadline <= now) responsiveness.suspect()
    return responsiveness.deadline
  }
}
