/**
 * One QUIC connection, as the endpoint and the socket use it. `parts.ts` makes its parts.
 */
import type * as NetAddress from "effect/net/NetAddress"
import { type Close, IdleTimedOut, TransportClosed } from "@qp2p/core/Close"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import type { PeerId } from "@qp2p/core/PeerId"
import type {
  BackingConnection,
  BackingRecvStream,
  BackingSendStream,
  ConnectionEvents,
  ConnectionStats,
  RecvEvents
} from "@qp2p/core/Transport"
import { INTERNAL_ERROR, NO_ERROR } from "../binding/errorCodes.ts"
import type { NativeConnection } from "../binding/native.ts"
import { isPeerId, peerOf } from "../binding/peerCertificate.ts"
import { minDatagramSize } from "../packets/datagramSize.ts"
import { livenessProbeInterval } from "../tunables/liveness.ts"
import { isLikeLoss } from "../udp/socketErrors.ts"
import { locallyClosed } from "./closeReason.ts"
import type { ConnectionHost, ConnectionOwner } from "./connectionHost.ts"
import type { Handshake } from "./handshake.ts"
import type { Lifecycle, State } from "./lifecycle.ts"
import type { Limits } from "./liveness.ts"
import { type ConnectionOptions, Parts, type PartsOwner } from "./parts.ts"
import { PeerDecision } from "./peerDecision.ts"
import { maxDatagramSize } from "./datagrams.ts"
import { statsOf } from "./stats.ts"
import type { Turns } from "./turns.ts"

/**
 * Implements `BackingConnection` for the endpoint and the views of the socket, and forwards each call to the part that is
 * responsible for it. `T` is what the socket keeps of the connection for its own use.
 */
export class Connection<T = unknown> implements BackingConnection, PartsOwner {
  readonly dialled: boolean
  readonly seniority: string
  readonly handshake: Handshake
  /** The socket's: the connection only carries it. */
  readonly turnState: T
  readonly turns: Turns
  /** The name under which the peer's IP address counts. */
  readonly ipGroup: string
  /** See `BackingConnection`: only some of the peer's packets are taken. The socket's to change. */
  isHeldBack = false

  private readonly native: NativeConnection
  private readonly host: ConnectionHost<Connection<T>>
  private readonly parts: Parts<Connection<T>>
  private readonly lifecycle: Lifecycle
  private handlers: ConnectionEvents | undefined = undefined
  private peer: PeerId | undefined = undefined
  /** Until the peer is admitted. */
  private decision: PeerDecision<Connection<T>> | undefined
  private accepted = false
  private probedAt = -Infinity
  private packetsRefused = 0

  constructor(
    options: ConnectionOptions & {
      readonly host: ConnectionHost<Connection<T>>
      readonly owner: ConnectionOwner<Connection<T>>
      readonly seniority: string
      readonly turnState: T
    }
  ) {
    const { host } = options
    const parts = new Parts<Connection<T>>(options, this, host)
    this.host = host
    this.decision = new PeerDecision(options.owner)
    this.native = options.native
    this.dialled = options.dialled
    this.seniority = options.seniority
    this.ipGroup = options.ipGroup
    this.turnState = options.turnState
    this.parts = parts
    this.handshake = parts.handshake
    this.lifecycle = parts.lifecycle
    this.turns = parts.turns
  }

  // --- for the endpoint --------------------------------------------------------------------------------------------

  get peerId(): PeerId {
    return this.peer!
  }

  get isAccepted(): boolean {
    return this.accepted || !this.dialled
  }

  get remoteAddress(): NetAddress.InetAddress {
    return this.parts.peer.current
  }

  openUni(priority: number): BackingSendStream {
    return this.parts.streams.openUni(priority)
  }

  openBi(
    priority: number,
    events: RecvEvents
  ): { readonly send: BackingSendStream; readonly receive: BackingRecvStream } {
    return this.parts.streams.openBi(priority, events)
  }

  get maxDatagramSize(): number {
    return maxDatagramSize(this.parts)
  }

  sendDatagram(datagram: Uint8Array): boolean {
    return this.lifecycle.isEstablished && this.parts.datagrams.send(datagram)
  }

  close(code: number, reason: string): void {
    this.lifecycle.beginClose(true, ErrorCode.clamp(code), reason, locallyClosed)
  }

  get preferredBatchBytes(): number | undefined {
    return this.turns.preferredBatchBytes
  }

  checkAlive(): void {
    if (!this.lifecycle.isEstablished) return
    const now = performance.now()
    if (now - this.probedAt < livenessProbeInterval) return
    this.probedAt = now
    this.parts.liveness.probe()
  }

  get isUnresponsive(): boolean {
    return this.lifecycle.isEstablished && this.parts.responsiveness.isUnresponsive
  }

  charge(change: number): void {
    this.parts.budget.charge(change)
  }

  timeOut(): void {
    if (this.lifecycle.isEstablished) this.onSilence()
  }

  stats(): ConnectionStats {
    return statsOf(this.native, this.packetsRefused, this.parts.usedDatagrams)
  }

  // --- for the socket ----------------------------------------------------------------------------------------------

  get state(): State {
    return this.lifecycle.state
  }

  /** Whether its owner has been told of its end: it gets no turn any more. */
  get hasEnded(): boolean {
    return this.lifecycle.hasEnded
  }

  /** The packet with the close frame of this side, if it was sent. */
  get closePacket(): Uint8Array | undefined {
    return this.lifecycle.closePacket
  }

  /** Whether its handshake was completed, and its peer admitted. */
  get wasEstablished(): boolean {
    return this.lifecycle.wasEstablished
  }

  /** The deadline of its next turn, in `performance.now()` milliseconds; `Infinity` for never. */
  get deadline(): number {
    return this.turns.deadline
  }

  /** About how many bytes wait until they are read. */
  get unread(): number {
    return this.parts.budget.unread
  }

  /** Whether anything of the application has passed. */
  get isUsed(): boolean {
    return this.handlers !== undefined && this.handlers.hasCarriedData !== false
  }

  /** Whether messages that have arrived wait for room. */
  get holdsMessages(): boolean {
    return this.handlers?.holdsMessages === true
  }

  /** Whether something of this side's waits for the peer. */
  get isAwaited(): boolean {
    return this.parts.streams.isAwaited
  }

  /** Changes whenever anything passes on its streams, or a datagram. */
  get streamWork(): number {
    return this.parts.streams.work + (this.parts.usedDatagrams?.work ?? 0)
  }

  /** Whether a packet of the peer has arrived. */
  get wasHeard(): boolean {
    return this.parts.activity.heard() > 0
  }

  /** The idle timeout that both sides agreed on, in milliseconds. */
  idleTimeout(): number {
    return this.parts.activity.idleTimeout()
  }

  /** Whether a packet comes from another address than the peer's. */
  isFromElsewhere(host: string, port: number): boolean {
    return !this.parts.peer.is(host, port)
  }

  /** See `PacketIntake`. */
  receive(datagram: Uint8Array, elsewhere: NetAddress.InetAddress | undefined, key: string | undefined): void {
    this.parts.intake.receive(datagram, elsewhere, key)
  }

  /** See `PacketIntake`. */
  receiveUnknown(packet: Uint8Array): boolean {
    return this.parts.intake.receiveUnknown(packet)
  }

  /** See `PacketIntake`. */
  receiveReset(): void {
    this.parts.intake.receiveReset()
  }

  packetSent(datagram: Uint8Array, length: number): void {
    if (this.peer === undefined) this.handshake.packetSent(datagram)
    this.parts.budget.sent()
    this.parts.acknowledged.sent(datagram, length)
    this.parts.liveness.packetSent()
  }

  /** The system has refused to send a packet of `bytes`. QUIC treats it as lost, and sends most of its content again. */
  refused(code: string, bytes: number): void {
    this.packetsRefused += 1
    // A smaller packet may pass, and path MTU discovery sees to that.
    if (code === "EMSGSIZE" && bytes > minDatagramSize) return this.parts.mtu.refused(bytes)
    if (this.lifecycle.hasEnded) return
    if (this.lifecycle.wasEstablished) return this.host.onRefused(this, code)
    if (isLikeLoss(code)) return
    this.handshake.refused(code)
    // No packet has left, so there is nothing to wait for.
    if (this.dialled && this.packetsRefused >= this.native.stats().sent) this.fail(INTERNAL_ERROR, code)
  }

  /** The server speaks no version of this side's (RFC 9000, section 6.2). */
  mismatchVersion(): void {
    this.handshake.mismatchVersion()
    this.close(0, "")
  }

  /** Called by the sweep; the last call was `elapsed` milliseconds ago. */
  tick(elapsed: number, limits: Limits): void {
    this.parts.liveness.tick(elapsed, limits)
    if (!this.lifecycle.isEstablished) return
    this.parts.frames.tick(elapsed)
    this.parts.responsiveness.tick()
    if (this.parts.ids.tick(elapsed)) this.host.schedule(this)
    const held = this.parts.streams.tick()
    if (held !== undefined) this.handlers?.onStreamsHeld?.(held)
  }

  /** Ends it at once: the socket closes, or a defect has occurred. */
  abandon(): void {
    this.lifecycle.abandon()
  }

  // --- for its parts ------------------------------------------------------------------------------------------------

  /** Returns the handlers of its events, from when it is established. */
  events(): ConnectionEvents {
    return this.handlers!
  }

  /** The binding's handshake is complete. Nothing leaves any more until the peer is admitted. */
  onHandshakeComplete(): void {
    const peer = peerOf(this.native.peerCertChain())
    if (!isPeerId(peer)) return this.fail(peer.code, peer.detail)
    this.peer = peer
    this.lifecycle.beginAdmission()
    this.decision!.ask(this, () => this.host.schedule(this))
    this.applyDecision()
  }

  /** Acts on the decision about the peer, if there is one. */
  applyDecision(): void {
    if (this.lifecycle.state !== "admitting") return
    const isAdmitted = this.decision?.isAdmitted
    if (isAdmitted === undefined) return
    if (isAdmitted) this.establish()
    else this.refuse()
  }

  private refuse(): void {
    this.handshake.refusePeer(this.peerId)
    this.close(ErrorCode.refused, "")
  }

  /** The peer has accepted this dial. */
  onAccepted(): void {
    this.accepted = true
    this.handlers?.onAccepted?.()
  }

  private establish(): void {
    this.lifecycle.establish()
    this.handshake.admitPeer()
    const { decision } = this
    // What made the connection is not kept for its whole life.
    this.decision = undefined
    this.handlers = decision?.onEstablished(this)
    this.host.onEstablished(this)
    // Behind a dialler's last handshake packet, in the same datagram, the binding sends acknowledgements and padding. Those are
    // in flight and ask for no acknowledgement. With no other 1-RTT packet in flight, the binding disarms the loss timer, and
    // when the datagram is lost nothing is ever sent again. The frame that issues a connection id asks for an acknowledgement.
    // An acceptor has HANDSHAKE_DONE to send, and issues its ids later: a dial that soon ends does without.
    // Those who wait for the connection do not wait for it.
    if (this.dialled && !this.lifecycle.hasEnded && !this.parts.ids.issueFirst()) this.handshake.pingWhenSent()
  }

  /** Puts a PING on the wire (RFC 9000, section 19.2). */
  ping(): void {
    this.native.sendAckEliciting()
    this.host.schedule(this)
  }

  onHandshakeTimeout(): void {
    // A peer that is not admitted in time is refused.
    if (this.lifecycle.state === "admitting") return this.refuse()
    // The handshake is complete, and the turn that finds out is due. To close now would acknowledge what will not be read.
    if (this.native.isEstablished()) return this.host.schedule(this)
    this.handshake.timeOut()
    this.close(0, "")
  }

  /** The peer's address has changed. */
  onMoved(): void {
    this.host.onMoved(this)
    this.handlers?.onMoved?.()
  }

  onUnresponsive(): void {
    this.handlers?.onUnresponsive?.()
  }

  onSilence(): void {
    this.closeByTransport(NO_ERROR, "no sign of life", new IdleTimedOut())
  }

  /** Closes because of what the transport found; the peer sees a transport error. */
  fail(code: number, detail: string): void {
    this.closeByTransport(code, detail, new TransportClosed({ code, detail }))
  }

  private closeByTransport(code: number, detail: string, close: Close): void {
    // The peer has been told that these bytes arrived; they must not be lost with the connection.
    if (this.lifecycle.isEstablished) this.parts.deliverAll()
    this.lifecycle.beginClose(false, code, detail, close)
  }

  onEnded(close: Close): void {
    const { decision, handlers } = this
    this.parts.onClosing()
    this.host.onEnded(this)
    decision?.withdraw()
    this.parts.streams.fail(close)
    this.decision = undefined
    this.handlers = undefined
    handlers?.onClosed(close)
    decision?.onEnded(this, close)
  }
}
