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
import { isLongHeader, isRetry } from "../packets/packetHeader.ts"
import { maxHandshakeBytes } from "../tunables/handshakes.ts"
import { livenessProbeInterval } from "../tunables/liveness.ts"
import { isLikeLoss } from "../udp/socketErrors.ts"
import { locallyClosed } from "./closeReason.ts"
import type { ConnectionHost, ConnectionOwner } from "./connectionHost.ts"
import type { Handshake } from "./handshake.ts"
import { Hold } from "./hold.ts"
import type { Lifecycle, State } from "./lifecycle.ts"
import type { Limits } from "./liveness.ts"
import { type ConnectionOptions, Parts, type PartsOwner } from "./parts.ts"
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
  private owner: ConnectionOwner<Connection<T>> | undefined
  private handlers: ConnectionEvents | undefined = undefined
  private peer: PeerId | undefined = undefined
  /** Whether the peer is admitted, once that is decided. */
  private decision: boolean | undefined = undefined
  /** Ends the question whether the peer is admitted. */
  private cancelAdmission: (() => void) | undefined = undefined
  private accepted = false
  private probedAt = -Infinity
  private packetsRefused = 0
  private hold: Hold | undefined = undefined
  private handshakeBytes = 0

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
    this.owner = options.owner
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

  close(code: number, reason: string): void {
    this.lifecycle.beginClose(true, ErrorCode.clamp(code), reason, locallyClosed())
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
    return statsOf(this.native, this.packetsRefused)
  }

  // --- for the socket ----------------------------------------------------------------------------------------------

  get state(): State {
    return this.lifecycle.state
  }

  /** Whether its owner has been told of its end: it gets no turn any more. */
  get hasEnded(): boolean {
    return this.lifecycle.hasEnded
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
    return this.lifecycle.isEstablished ? this.parts.budget.unread : 0
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

  /** Changes whenever anything passes on its streams. */
  get streamWork(): number {
    return this.parts.streams.work
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

  /**
   * Takes a datagram, which comes from `elsewhere` if not from the peer's address, and which is for the id `key` if it has a
   * short header. The binding decrypts in place, so the datagram is not usable afterwards.
   */
  receive(datagram: Uint8Array, elsewhere: NetAddress.InetAddress | undefined, key: string | undefined): void {
    if (this.lifecycle.hasEnded) return this.lifecycle.repeatClose()
    if (key !== undefined && !this.parts.ids.accepts(key)) return
    if ((this.isHeldBack || this.parts.frames.isNearLimit) && !this.admitHeldBack(datagram.length)) return
    this.takeIn(datagram, elsewhere)
  }

  /**
   * Takes a packet that may be a stateless reset with the token that the binding knows. Returns whether it is one. If it is
   * none, any host may have sent it, and nothing changes.
   */
  receiveUnknown(packet: Uint8Array): boolean {
    if (this.lifecycle.hasEnded) return false
    this.parts.receiver.receive(packet, undefined, this.lifecycle.wasEstablished, false)
    if (!this.native.isClosed()) return false
    this.turns.packetArrived(false)
    this.host.schedule(this)
    return true
  }

  /** A stateless reset has come, with the token of an id that the peer has issued. */
  receiveReset(): void {
    if (this.lifecycle.hasEnded) return
    this.turns.packetArrived(false)
    this.lifecycle.receiveReset()
  }

  private takeIn(datagram: Uint8Array, elsewhere: NetAddress.InetAddress | undefined): void {
    const { handshake } = this
    const established = this.lifecycle.wasEstablished
    if (!established && !this.isWithinHandshake(datagram.length)) return
    if (this.lifecycle.state === "admitting" && !handshake.countBeforeAdmission(datagram.length)) return
    this.parts.budget.received(datagram.length)
    this.turns.packetArrived(true)
    const hasMoved = this.parts.receiver.receive(datagram, elsewhere, established, true)
    if (isRetry(datagram)) handshake.receivedRetry()
    if (!isLongHeader(datagram) && this.native.isEstablished()) {
      this.parts.ids.taken()
      this.handshake.receivedOneRtt()
    }
    if (hasMoved) {
      this.parts.sender.pathChanged()
      this.host.onMoved(this)
      this.handlers?.onMoved?.()
    }
    this.host.schedule(this)
  }

  /** Returns whether a datagram of `bytes` is taken although the peer is held back. It counts as taken then. */
  private admitHeldBack(bytes: number): boolean {
    const now = performance.now()
    const fill = this.isHeldBack ? this.host.fill(this) : 0
    return (this.hold ??= new Hold()).admit(bytes, now, fill)
  }

  /** Counts the bytes of the handshake. */
  private isWithinHandshake(bytes: number): boolean {
    if (this.handshakeBytes > maxHandshakeBytes || this.parts.frames.isHandshakeInPieces) {
      return this.native.isEstablished()
    }
    this.handshakeBytes += bytes
    return true
  }

  packetSent(datagram: Uint8Array, length: number): void {
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

  /** Ends it at once, and keeps nothing for late packets: the socket closes, or a defect has occurred. */
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
    this.cancelAdmission = this.owner!.admit(this, (isAdmitted) => {
      if (this.decision !== undefined) return
      this.decision = isAdmitted
      this.host.schedule(this)
    })
    this.applyDecision()
  }

  /** Acts on the decision about the peer, if there is one. */
  applyDecision(): void {
    if (this.lifecycle.state !== "admitting" || this.decision === undefined) return
    this.cancelAdmission = undefined
    if (this.decision) this.establish()
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
    // Behind a dialler's last handshake packet, in the same datagram, the binding sends acknowledgements and padding. Those are
    // in flight and ask for no acknowledgement. With no other 1-RTT packet in flight, the binding disarms the loss timer, and
    // when the datagram is lost nothing is ever sent again. The frame that issues a connection id asks for an acknowledgement.
    // An acceptor has HANDSHAKE_DONE to send, and issues its ids later: a dial that soon ends does without.
    if (this.dialled && !this.parts.ids.issueFirst()) this.handshake.pingWhenSent()
    const { owner } = this
    // What made the connection is not kept for its whole life.
    this.owner = undefined
    this.handlers = owner?.onEstablished(this)
    this.host.onEstablished(this)
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
    if (this.lifecycle.isEstablished) this.parts.streams.deliverAll()
    this.lifecycle.beginClose(false, code, detail, close)
  }

  onEnded(close: Close): void {
    const { handlers, owner } = this
    this.parts.onClosing()
    this.host.onEnded(this)
    if (this.decision === undefined) this.cancelAdmission?.()
    this.parts.streams.fail(close)
    this.owner = undefined
    this.handlers = undefined
    handlers?.onClosed(close)
    owner?.onEnded(this, close)
  }
}
