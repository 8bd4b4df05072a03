/**
 * One QUIC connection: what arrives is read, what was acknowledged is confirmed, what is queued is written, and then the
 * packets that come of it are flushed, in this order, once in each turn of the socket's loop.
 */
import * as Duration from "effect/Duration"
import type * as NetAddress from "effect/net/NetAddress"
import { type Close, IdleTimedOut, TransportClosed } from "@qp2p/core/Close"
import type {
  BackingConnection,
  BackingRecvStream,
  BackingSendStream,
  ConnectionEvents,
  ConnectionStats,
  RecvEvents
} from "@qp2p/core/Transport"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import { Accounts } from "./receiveBudget.ts"
import { AcknowledgedPackets } from "../streams/acknowledgedPackets.ts"
import { Closing } from "./closing.ts"
import { Coalesced } from "../packets/coalesced.ts"
import { ConnectionIds, type ConnectionIdsHost } from "../packets/connectionIds.ts"
import type { ConnectionHost } from "./connectionHost.ts"
import { foundClose, locallyClosed } from "./closeReason.ts"
import { INTERNAL_ERROR, NO_ERROR } from "../binding/errorCodes.ts"
import { GarbageCollection } from "./garbage.ts"
import { HeldStreamsWatch } from "../streams/heldStreams.ts"
import type { NativeConnection } from "../binding/native.ts"
import type { Turning } from "../socket/idleTurns.ts"
import { Incoming } from "../streams/incoming.ts"
import { Outgoing } from "../streams/outgoing.ts"
import { isLongHeader, packetNumberOf } from "../packets/packetHeader.ts"
import { LocalRecvStream } from "../streams/localRecvStream.ts"
import { PeerAddress } from "../path/peerAddress.ts"
import { type Flushed, PacketSender } from "../path/packetSender.ts"
import { type PayloadSize, smallestPayload } from "../path/mtuDiscovery.ts"
import { type Answering, Responsiveness } from "./responsiveness.ts"
import * as socketErrors from "../udp/socketErrors.ts"
import * as tunables from "../tunables.ts"
import type { Sender } from "../udp/udpSocket.ts"
import { Watch, type Watched } from "./liveness.ts"

interface HostPort {
  readonly host: string
  readonly port: number
}

export type Phase =
  | "handshaking"
  | "established"
  /** Over, and reported; kept while late packets may come. */
  | "draining"
  /** Gone. */
  | "closed"

export class Connection implements BackingConnection, Sender, Watched, Answering, Turning, ConnectionIdsHost {
  readonly native: NativeConnection
  readonly dialled: boolean
  readonly seniority: string
  phase: Phase = "handshaking"
  isInCompany = false
  /** When the binding wants to be called next, in `performance.now()` milliseconds. */
  deadline = Infinity
  /** Whether the socket has it listed for a turn; and whether it asked for that turn, and for the one it has, itself. */
  touched = false
  asksForTurn = false
  turnIsOwn = false
  workSeen = 0
  wasIdle = false
  overdue = 0
  readonly watch: Watch
  private readonly heldStreams = new HeldStreamsWatch()
  private garbage: GarbageCollection | undefined = undefined
  handshakeTimedOut = false
  versionMismatch = false
  /** Why the system has not sent a packet of the handshake. */
  refusal: string | undefined = undefined
  onEstablished: ((connection: Connection) => ConnectionEvents) | undefined
  /** Called with the reason when the handshake fails or the connection ends. */
  onOver: ((close: Close, established: boolean) => void) | undefined

  private readonly host: ConnectionHost
  /**
   * Where packets are said to come from: always where the first one did. The binding must not see a peer change its
   * address: four packets from two addresses freeze the process inside `send` (CVE-2025-7054), and path events queue
   * without bound (CVE-2026-12707).
   */
  private readonly pinned: { readonly from: HostPort; readonly to: HostPort }
  private readonly peer: PeerAddress
  private events: ConnectionEvents | undefined = undefined
  private readonly outgoing: Outgoing
  private readonly incoming: Incoming
  private progressSeen = 0
  private lastReceived = performance.now()
  private agreedIdleTimeout: number | undefined = undefined
  private heardCount = 0
  private heardTime = 0
  private readonly sender: PacketSender
  private readonly coalesced = new Coalesced()
  private readonly accounts: Accounts
  private packetsRefused = 0
  private readonly acknowledged = new AcknowledgedPackets()
  private packetsThisTurn = 0
  private bytesThisTurn = 0
  /** What of `accounts.unread` the socket has been told. */
  private unreadTold = 0
  /** What came of sending in this turn. */
  private flushed: Flushed = "all"
  /** Whether packets have come since it was last read. */
  private arrived = false
  /** Whether packets to an id of this connection have come in this turn. */
  private answered = false
  private heardOneRtt = false
  /** Whether all that was to be sent when the handshake was complete has left. */
  private handshakeSent = false
  /** Whether a PING is due when that has happened. */
  private mustPing = false
  private readonly ids: ConnectionIds
  private localClose: Close | undefined = undefined
  private drainUntil = 0
  /** Packets that have come, timers that have expired, and turns that something else than the peer held back. */
  private occasions = 0
  private readonly responsiveness: Responsiveness
  private lifeAskedAt = -Infinity
  /** What to tell the peer of it, in the next turn. */
  private closing: Closing | undefined = undefined

  constructor(options: {
    readonly host: ConnectionHost
    readonly native: NativeConnection
    readonly dialled: boolean
    readonly remote: NetAddress.InetAddress
    readonly from: HostPort
    readonly to: HostPort
    readonly seniority: string
    /** The key of the id that its peer knows from the handshake. */
    readonly id: string
    readonly payload: PayloadSize
    /** 0 to 1, as far as can be from that of others. */
    readonly phase: number
  }) {
    this.host = options.host
    this.native = options.native
    this.dialled = options.dialled
    this.seniority = options.seniority
    this.peer = new PeerAddress(options.remote)
    this.pinned = { from: options.from, to: options.to }
    const schedule = () => this.host.touch(this)
    const failure = () => (this.isOver ? this.localClose : undefined)
    this.accounts = new Accounts(this.native)
    this.watch = new Watch(this, options.phase)
    this.ids = new ConnectionIds(this, options.id)
    this.responsiveness = new Responsiveness(this)
    const { accounts, acknowledged, host, native, peer, watch } = this
    const { payload } = options
    this.sender = new PacketSender({ native, host, peer, owner: this, payload, accounts, acknowledged, watch })
    this.outgoing = new Outgoing({
      native: this.native,
      dialled: this.dialled,
      schedule,
      failure,
      acknowledged,
      heardAt: (recv) => this.heardAt(recv),
      idleTimeout: () => this.idleTimeout()
    })
    this.incoming = new Incoming({
      native: this.native,
      dialled: this.dialled,
      schedule,
      failure,
      isClosing: () => this.localClose?._tag === "LocallyClosed",
      events: () => this.events!,
      acceptSend: (id) => this.outgoing.acceptSend(id),
      budget: this.accounts,
      scratch: this.host.scratch
    })
  }

  // --- what the endpoint calls -------------------------------------------------------------------------------------

  get remoteAddress(): NetAddress.InetAddress {
    return this.peer.current
  }

  openUni(priority: number): BackingSendStream {
    return this.outgoing.open(false, priority)
  }

  openBi(
    priority: number,
    events: RecvEvents
  ): { readonly send: BackingSendStream; readonly receive: BackingRecvStream } {
    const send = this.outgoing.open(true, priority)
    return { send, receive: new LocalRecvStream(this.incoming, send, events) }
  }

  close(code: number, reason: string): void {
    this.closeWith(true, ErrorCode.clamp(code), reason, locallyClosed())
  }

  checkAlive(): void {
    if (this.phase !== "established") return
    const now = performance.now()
    if (now - this.lifeAskedAt < tunables.lifeSignInterval) return
    this.lifeAskedAt = now
    this.watch.askForLife()
  }

  get isUnresponsive(): boolean {
    return this.phase === "established" && this.localClose === undefined && this.responsiveness.isUnresponsive
  }

  timeOut(): void {
    if (this.phase === "established") this.onSilence()
  }

  stats(): ConnectionStats {
    const path = this.native.pathStats()[0]
    return {
      roundTripTime: Duration.millis(path?.rtt ?? 0),
      packetsSent: path?.sent ?? 0,
      packetsReceived: path?.recv ?? 0,
      packetsLost: path?.lost ?? 0,
      packetsRefused: this.packetsRefused,
      bytesSent: path?.sentBytes ?? 0,
      bytesReceived: path?.recvBytes ?? 0,
      congestionWindow: path?.cwnd ?? 0
    }
  }

  // --- what the socket calls ---------------------------------------------------------------------------------------

  /**
   * Takes a packet, which came from `elsewhere` if not from where the peer's packets have come so far, and for the id
   * `key` if it has a short header. The binding decrypts in place, so the packet is no good afterwards.
   */
  receive(packet: Uint8Array, elsewhere: NetAddress.InetAddress | undefined, key?: string): void {
    if (this.phase === "draining") return this.repeatClose()
    if (key !== undefined && !this.ids.accepts(key)) return
    this.accounts.received(packet.length)
    this.packetsThisTurn += 1
    this.occasions += 1
    this.arrived = true
    this.answered = true
    this.peer.arrived += 1
    // The peer's address is followed here instead of in the binding, and only for a packet that it has authenticated and
    // not seen before: its count of packets tells.
    const tells = elsewhere !== undefined || this.peer.isDoubtful
    const before = tells ? this.heard() : 0
    let last = packet
    if (isLongHeader(packet)) {
      for (const part of this.coalesced.parts(packet, tells)) {
        this.takeIn(part)
        last = part
      }
    } else {
      this.takeIn(packet)
      this.ids.taken()
      this.heardOneRtt = true
      if (this.phase === "established") this.acknowledged.received(packet)
    }
    if (tells && this.phase === "established") {
      if (this.heard() === before) {
        if (elsewhere !== undefined && isLongHeader(packet)) this.peer.rumour(elsewhere, packet.length)
      } else if (elsewhere === undefined) this.peer.prove()
      else if (this.peer.move(elsewhere, packetNumberOf(last))) {
        this.sender.moved()
        this.host.moved(this)
        this.events?.onMoved?.()
      }
    }
    this.host.touch(this)
  }

  /** Takes a packet that may be a stateless reset. If it is none, anybody may have sent it. */
  receiveReset(packet: Uint8Array): void {
    const { answered } = this
    this.receive(packet, undefined)
    this.answered = answered
  }

  private takeIn(packet: Uint8Array): void {
    try {
      this.native.recv(packet, this.pinned)
    } catch {
      // Stray and damaged packets throw too. What is fatal shows in `localError`, which the turn looks at.
    }
  }

  /** The system has not sent a packet of so many bytes. To QUIC it is lost, and most of what it carried is sent again. */
  refused(code: string, bytes: number): void {
    this.packetsRefused += 1
    // One that may be smaller: nothing to tell anybody of.
    if (code === "EMSGSIZE" && bytes > smallestPayload) return this.sender.payload.refused(bytes)
    if (this.phase === "established") return this.host.onRefused(this, code)
    if (this.phase !== "handshaking" || socketErrors.isLikeLoss(code)) return
    this.refusal = code
    // Nothing has left, so there is nothing to wait for.
    if (this.dialled && this.packetsRefused >= this.native.stats().sent) this.fail(INTERNAL_ERROR, code)
  }

  /** Whether a packet comes from elsewhere than the peer's packets have so far. */
  moved(host: string, port: number): boolean {
    return !this.peer.is(host, port)
  }

  /** The binding's own timers: loss detection, idle timeout, draining. They run on the system's clock, as it does. */
  expire(): void {
    this.occasions += 1
    if (this.isOver) {
      this.native.onTimeout()
      this.terminate()
      this.flushed = "all"
      return this.updateDeadline(performance.now())
    }
    // It may be called for reasons of this connection's own, too.
    if (this.native.timeout() === 0) {
      this.outgoing.expired()
      this.acknowledged.expired()
      this.coalesced.expired()
      this.sender.payload.expired(performance.now())
    }
    this.native.onTimeout()
    this.peer.retry()
    this.host.touch(this)
  }

  /** Over and reported; no turn of it does anything any more. */
  get isOver(): boolean {
    return this.phase === "draining" || this.phase === "closed"
  }

  /** Whether its turns still read what arrives. */
  private get isReading(): boolean {
    return this.phase === "established" && this.localClose === undefined
  }

  /** Whether more has arrived than one turn reads. */
  get isUnread(): boolean {
    return this.arrived || (this.incoming.isUnread && this.isReading)
  }

  get work(): number {
    return this.occasions + this.incoming.work + this.outgoing.work + this.sender.packets
  }

  /** The first part of a turn: hands on what has arrived. */
  read(now: number): void {
    // Without news there is nothing to read but what nobody wants yet.
    const news = this.arrived || this.incoming.isUnread
    this.arrived = false
    if (this.packetsThisTurn > 0) this.ids.readRetired()
    if (this.answered) this.lastReceived = now
    if (this.phase === "handshaking" && this.localClose === undefined && this.native.isEstablished()) this.establish()
    if (!news || !this.isReading) return
    this.outgoing.allowReading()
    this.bytesThisTurn += this.incoming.read(false)
  }

  /** The second part: confirms what has been acknowledged, and sends. In `company` when it is the turn of others too. */
  write(now: number, company: boolean): void {
    if (this.phase === "closed") return
    this.isInCompany = company
    const packets = this.packetsThisTurn
    const bytes = this.bytesThisTurn
    this.packetsThisTurn = this.bytesThisTurn = 0
    if (this.isReading) {
      if (packets > 0) {
        this.outgoing.checkStopped()
        this.sender.observe(now)
      }
      if (this.outgoing.completeUni(now, company)) this.sender.payload.progressed()
      this.outgoing.write(now)
      const trouble = this.accounts.audit(packets, bytes)
      if (trouble !== undefined) this.fail(INTERNAL_ERROR, trouble)
      this.tellUnread(this.accounts.unread)
    }
    this.flushed = "all"
    if (this.phase !== "draining") {
      if (this.closing !== undefined) this.sendClose(this.closing, now, packets > 0)
      else this.flushed = this.flush(now)
      if (this.flushed === "held") this.occasions += 1
      if (this.flushed === "all" && this.phase === "established" && !this.handshakeSent) this.hasSentHandshake()
    }
  }

  /** The third: what can wait until the packets are on their way, so that they do not wait for it. */
  conclude(now: number): void {
    if (this.phase === "closed") return
    if (this.phase === "draining" || this.native.isClosed() || this.native.isDraining()) this.terminate()
    if (this.isReading && this.outgoing.completeBidi(now)) this.sender.payload.progressed()
    if (this.flushed === "all" && this.closing === undefined && this.outgoing.hasDeferred)
      this.outgoing.completeDeferred(now)
    this.updateDeadline(now)
  }

  private updateDeadline(now: number): void {
    const { flushed } = this
    const timeout = this.native.timeout()
    // The binding rounds down to whole milliseconds; without the extra one the timer would fire too early and spin.
    this.deadline = timeout === null ? Infinity : now + timeout + 1
    if (this.phase === "established") this.deadline = Math.min(this.deadline, this.watchForAnswers(now, timeout))
    if (flushed === "held") this.deadline = Math.min(this.deadline, now + 2)
    if (this.phase === "draining") this.deadline = Math.min(this.deadline, Math.max(this.drainUntil, now + 1))
    else if (this.closing !== undefined) this.deadline = Math.min(this.deadline, now + 10)
    if (this.outgoing.hasDeferred) this.deadline = Math.min(this.deadline, now + 10)
    if (this.isReading) this.deadline = Math.min(this.deadline, this.outgoing.deadline)
    this.host.wake(this)
  }

  /** When to find out whether the peer has fallen silent. */
  private watchForAnswers(now: number, timeout: number | null): number {
    const { answered, responsiveness } = this
    this.answered = false
    // With nothing in flight the only timer is the idle one. While something is, the retransmission timer is due sooner.
    const idle = this.agreedIdleTimeout ?? this.host.idleTimeout
    const inFlight = timeout !== null && timeout < idle - (now - this.lastReceived) - Math.min(50, idle / 10)
    responsiveness.turned(now, answered, inFlight ? timeout : undefined)
    if (responsiveness.due <= now) responsiveness.suspect()
    return responsiveness.due
  }

  /** Closes because of what the transport found; the peer sees a transport error. */
  fail(code: number, detail: string): void {
    this.giveUp(code, detail, new TransportClosed({ code, detail }))
  }

  /** What waits to be read, in bytes, about. */
  get unread(): number {
    return this.isReading ? this.unreadTold : 0
  }

  private tellUnread(unread: number): void {
    const change = unread - this.unreadTold
    if (change === 0) return
    this.unreadTold = unread
    this.host.unread(change)
  }

  private giveUp(code: number, reason: string, close: Close): void {
    // The peer has been told that these bytes arrived; they must not be lost with the connection.
    if (this.phase === "established") this.incoming.read(true)
    this.closeWith(false, code, reason, close)
  }

  // --- what is timed -----------------------------------------------------------------------------------------------

  heard(): number {
    return this.native.stats().recv
  }

  stalled(): boolean {
    const moved = this.outgoing.progress !== this.progressSeen
    this.progressSeen = this.outgoing.progress
    return this.outgoing.awaitsPeerTransport && !moved
  }

  lookForHeld(): void {
    const now = this.outgoing.findBlocking(() => this.incoming.unreadPeerHalves)
    // Some of those that hold them may be garbage.
    if (now !== undefined && now.by !== "Answers") (this.garbage ??= new GarbageCollection()).mayHelp(now.opened)
    else this.garbage?.isOver()
    const held = this.heldStreams.check(now)
    if (held !== undefined) this.events?.onStreamsHeld?.(held)
  }

  oldestStop(elapsed: number): number {
    return this.incoming.oldestStop(elapsed)
  }

  isAwaited(): boolean {
    return this.outgoing.awaitsPeer || this.incoming.awaitsPeer
  }

  onUnresponsive(): void {
    this.events?.onUnresponsive?.()
  }

  awaitsAnswer(): boolean {
    return this.incoming.awaitsPeer
  }

  checkResponsive(): void {
    this.responsiveness.look()
  }

  /** Puts a PING on the wire (RFC 9000, section 19.2). */
  ping(): void {
    this.native.sendAckEliciting()
    this.host.touch(this)
  }

  addId(key: string): void {
    this.host.addId(this, key)
  }

  removeId(key: string): void {
    this.host.removeId(this, key)
  }

  issueIds(elapsed: number): void {
    if (this.ids.look(elapsed)) this.host.touch(this)
  }

  onHandshakeTimeout(): void {
    // It is complete, and the turn that finds out is due. To close now would acknowledge what nobody has read.
    if (this.native.isEstablished()) return this.host.touch(this)
    this.handshakeTimedOut = true
    this.close(0, "")
  }

  onStall(): void {
    this.fail(INTERNAL_ERROR, "stalled")
  }

  onSilence(): void {
    this.giveUp(NO_ERROR, "no sign of life", new IdleTimedOut())
  }

  // --- the turn ----------------------------------------------------------------------------------------------------

  private establish(): void {
    this.phase = "established"
    // Behind a dialler's last handshake packet, in the same datagram, the binding sends acknowledgements and padding. Those
    // are in flight and ask for no acknowledgement: with nothing of 1-RTT that does, it disarms the loss timer, and when the
    // datagram is lost nothing is ever sent again. The frame that issues an id does. An acceptor has HANDSHAKE_DONE to send,
    // and issues its ids later: a dial that is soon over does without.
    if (this.dialled && !this.ids.issueFirst()) this.mustPing = true
    this.events = this.onEstablished?.(this)
    this.onEstablished = undefined
    this.host.established(this)
  }

  private hasSentHandshake(): void {
    this.handshakeSent = true
    if (this.mustPing) this.ping()
  }

  /**
   * Whether what is sent is no part of the handshake any more. Until then datagrams stay at what every path carries: a
   * larger one that is lost must not take the handshake along, nor what is sent again of it.
   */
  private get isPastHandshake(): boolean {
    return this.handshakeSent && (!this.dialled || this.heardOneRtt)
  }

  /** Sends what is ready: up to `most` bytes, or what one turn may send. */
  private flush(now: number, most?: number): Flushed {
    const flushed = this.sender.flush(now, !this.isPastHandshake, most)
    // The rest has the next turn.
    if (flushed === "more") this.host.touch(this)
    return flushed
  }

  // --- the end -----------------------------------------------------------------------------------------------------

  private closeWith(application: boolean, code: number, reason: string, close: Close): void {
    if (this.localClose !== undefined || this.isOver) return
    this.localClose = close
    this.tellUnread(0)
    this.closing = new Closing(this.native, this.dialled, application, code, reason)
    this.host.touch(this)
  }

  private sendClose(closing: Closing, now: number, heard: boolean): void {
    if (!closing.mayTell(now, this.outgoing.isCongested, heard)) return
    // What is left of the handshake goes first: the peer needs it to read the frame; and as long as some of it is to be
    // sent again, the binding would send that and not the frame. Nothing else does: it would carry acknowledgements of
    // what nobody will read.
    if (!closing.told && !this.peerCanRead) this.flush(now, 4 * smallestPayload)
    const { outbox } = this.host
    const length = closing.write(outbox.packetBuffer(smallestPayload))
    if (length > 0) outbox.addBuffered(length, this.peer.target, this)
    else if (closing.tooLate(now)) this.terminate()
  }

  /** Whether the peer has all of the handshake that it needs: then it has the keys of what this side sends. */
  private get peerCanRead(): boolean {
    // The acceptor's handshake is complete with the dialler's last word, and it says nothing in 1-RTT before that.
    return this.dialled ? this.heardOneRtt : this.native.isEstablished()
  }

  private repeatClose(): void {
    const packet = this.closing?.answerLate()
    if (packet !== undefined) this.host.answer(packet, this.peer.target)
  }

  private terminate(): void {
    if (this.phase !== "draining") {
      const established = this.phase === "established"
      // What has arrived is delivered, whoever had paused: there is no later.
      if (established && this.localClose?._tag !== "LocallyClosed") this.incoming.read(true)
      this.phase = "draining"
      this.drainUntil = performance.now() + tunables.minDraining
      this.report(this.localClose ?? foundClose(this.native), established)
    }
    // The binding drains only when it has sent a close frame or seen one; and then for so few round trips that a peer
    // whose copy was lost has hardly had the time to say something that could be answered with another.
    const drained = this.native.isClosed() || !this.native.isDraining()
    if (drained && (this.closing === undefined || performance.now() >= this.drainUntil)) this.phase = "closed"
  }

  /** Ends it here and now, with no time to drain: the socket is closing. */
  abandon(): void {
    if (this.isOver) return
    const established = this.phase === "established"
    this.closeWith(true, NO_ERROR, "", locallyClosed())
    this.closing?.hurry()
    if (this.closing !== undefined) this.sendClose(this.closing, performance.now(), true)
    this.phase = "closed"
    this.report(this.localClose!, established)
  }

  /** When the last packet came that the peer did send. Only right if it is asked in every turn of the time in question. */
  private heardAt(recv: number): number {
    if (recv !== this.heardCount) {
      this.heardCount = recv
      this.heardTime = this.lastReceived
    }
    return this.heardTime
  }

  /** The smaller of what both sides ask for (RFC 9000, section 10.1); 0 asks for none. */
  idleTimeout(): number {
    if (this.agreedIdleTimeout === undefined) {
      const peer = this.native.stats().peerMaxIdleTimeout
      this.agreedIdleTimeout = peer > 0 ? Math.min(peer, this.host.idleTimeout) : this.host.idleTimeout
    }
    return this.agreedIdleTimeout
  }

  private report(close: Close, established: boolean): void {
    this.localClose ??= close
    this.tellUnread(0)
    this.host.ended(this)
    const { events, onOver } = this
    this.outgoing.fail(close)
    this.incoming.fail(close)
    this.onEstablished = undefined
    this.onOver = undefined
    this.events = undefined
    events?.onClosed(close)
    onOver?.(close, established)
  }
}
