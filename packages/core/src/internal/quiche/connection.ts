/**
 * One QUIC connection: what arrives is read, what was acknowledged is confirmed, what is queued is written, and then the
 * packets that come of it are flushed, in this order, once in each turn of the socket's loop.
 */
import * as Duration from "effect/Duration"
import * as NetAddress from "effect/net/NetAddress"
import { ApplicationClosed, type Close, IdleTimedOut, LocallyClosed, TransportClosed } from "../../Close.ts"
import type {
  BackingConnection,
  BackingRecvStream,
  BackingSendStream,
  ConnectionEvents,
  ConnectionStats,
  RecvEvents
} from "../../Transport.ts"
import { statelessResetReason } from "../failures.ts"
import { APPLICATION_ERROR, clampCode, decodeReason, encodeReason, INTERNAL_ERROR, NO_ERROR } from "./errorCode.ts"
import type { NativeConnection } from "./native.ts"
import { type RecvOwner, RecvStream } from "./recvStream.ts"
import { SendQueue } from "./sendQueue.ts"
import { type SendOwner, SendStream } from "./sendStream.ts"
import * as tunables from "./tunables.ts"

/** What a connection needs of its socket. */
export interface ConnectionHost {
  /** Gives the connection a turn soon. */
  readonly touch: (connection: Connection) => void
  /** Gives the connection a turn at `deadline` (`performance.now()` milliseconds) at the latest. */
  readonly wake: (deadline: number) => void
  /** Room for one packet, to be filled by `native.send`. */
  readonly packetBuffer: () => Uint8Array
  /** Sends the first `length` bytes of the last `packetBuffer`. */
  readonly transmit: (length: number, to: NetAddress.InetAddress) => void
  /** Sends a packet that was kept. */
  readonly retransmit: (packet: Uint8Array, to: NetAddress.InetAddress) => void
  /** False while the kernel is behind. */
  readonly mayTransmit: () => boolean
  readonly scratch: Uint8Array
  /** Bytes per millisecond to one peer. */
  readonly sendRate: number
  readonly idleTimeout: number
}

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

const shutdownRead = 0
const shutdownWrite = 1

export class Connection implements BackingConnection, SendOwner, RecvOwner {
  readonly native: NativeConnection
  readonly dialled: boolean
  phase: Phase = "handshaking"
  /** When the binding wants to be called next, in `performance.now()` milliseconds. */
  deadline = Infinity
  /** Whether the socket has it listed for a turn. */
  touched = false
  /** Whether anything came or went since the socket's housekeeping last looked, and for how long nothing has. */
  active = true
  idleFor = 0
  /** For how long it has been waiting without getting on. */
  stalledFor = 0
  /** How long the handshake has taken. */
  handshakingFor = 0
  handshakeTimedOut = false
  versionMismatch = false
  onEstablished: ((connection: Connection) => ConnectionEvents | undefined) | undefined
  /** Called with the reason when the handshake fails or the connection ends. */
  onOver: ((close: Close, established: boolean) => void) | undefined

  private readonly host: ConnectionHost
  /**
   * Where packets are said to come from: always where the first one did. The binding must not see a peer change its
   * address: four packets from two addresses freeze the process inside `send` (CVE-2025-7054), and path events queue
   * without bound (CVE-2026-12707).
   */
  private readonly pinned: { readonly from: HostPort; readonly to: HostPort }
  private remote: NetAddress.InetAddress
  private remoteHost: string
  private remotePort: number
  private events: ConnectionEvents | undefined = undefined
  private nextUni: number
  private nextBi: number
  private readonly receiving = new Map<number, RecvStream>()
  private readonly queue = new SendQueue()
  /** Streams of kinds that the peer has no credit for. */
  private creditless: Array<SendStream> = []
  /** Streams whose own window is full while the connection's is not. */
  private parked: Array<SendStream> = []
  /** Streams whose fin is written and not yet acknowledged. */
  private unconfirmed: Array<SendStream> = []
  /** Streams whose fin has to wait until everything before it is acknowledged. */
  private bareFins: Array<SendStream> = []
  /** Every stream that has an id and an unfinished sending half. */
  private readonly sending = new Set<SendStream>()
  /** How many of those we opened. */
  private opened = 0
  private fruitlessPumps = 0
  private progress = 0
  private progressSeen = 0
  private lastReceived = performance.now()
  private allowance: number
  private lastRefill = performance.now()
  // The accounts that bound what a peer can make the binding keep.
  private bytesIn = 0
  private explained = 0
  private packetsThisTurn = 0
  private bytesReadThisTurn = 0
  private packetsOut = 0
  /** The close frame, to be repeated while late packets come. */
  private closePacket: Uint8Array | undefined = undefined
  private lateArrivals = 0
  private localClose: Close | undefined = undefined
  private refusal: { readonly code: number; readonly reason: string } | undefined = undefined

  constructor(options: {
    readonly host: ConnectionHost
    readonly native: NativeConnection
    readonly dialled: boolean
    readonly remote: NetAddress.InetAddress
    readonly from: HostPort
    readonly to: HostPort
  }) {
    this.host = options.host
    this.native = options.native
    this.dialled = options.dialled
    this.remote = options.remote
    this.remoteHost = NetAddress.formatHost(options.remote)
    this.remotePort = options.remote.port
    this.pinned = { from: options.from, to: options.to }
    // RFC 9000, section 2.1: the two low bits tell who opened a stream and which kind it is.
    this.nextBi = this.dialled ? 0 : 1
    this.nextUni = this.dialled ? 2 : 3
    this.allowance = this.host.sendRate * 10
  }

  // --- what the endpoint calls -------------------------------------------------------------------------------------

  get remoteAddress(): NetAddress.InetAddress {
    return this.remote
  }

  readonly openUni = (priority: number): BackingSendStream => new SendStream(this, false, priority)

  readonly openBi = (
    priority: number,
    events: RecvEvents
  ): { readonly send: BackingSendStream; readonly receive: BackingRecvStream } => {
    const send = new SendStream(this, true, priority)
    const receive = new LocalRecvStream(this, send, events)
    return { send, receive }
  }

  readonly close = (code: number, reason: string): void =>
    this.closeWith(true, clampCode(code), reason, new LocallyClosed())

  readonly stats = (): ConnectionStats => {
    const path = this.native.pathStats()[0]
    return {
      roundTripTime: Duration.millis(path?.rtt ?? 0),
      packetsSent: path?.sent ?? 0,
      packetsReceived: path?.recv ?? 0,
      packetsLost: path?.lost ?? 0,
      bytesSent: path?.sentBytes ?? 0,
      bytesReceived: path?.recvBytes ?? 0,
      congestionWindow: path?.cwnd ?? 0
    }
  }

  // --- what the socket calls ---------------------------------------------------------------------------------------

  /** Takes a packet. The binding decrypts in place, so the packet is no good afterwards. */
  receive(packet: Uint8Array, from: () => NetAddress.InetAddress, moved: boolean): void {
    if (this.phase === "closed") return
    if (this.phase === "draining") return this.repeatClose()
    this.active = true
    this.bytesIn += packet.length
    this.packetsThisTurn += 1
    // The peer's address is followed here instead of in the binding, and only for a packet that it has authenticated and
    // not seen before: its count of packets tells.
    const before = moved ? this.native.stats().recv : 0
    try {
      this.native.recv(packet, this.pinned)
    } catch {
      // Stray and damaged packets throw too. What is fatal shows in `localError`, which the turn looks at.
    }
    if (moved && this.phase === "established" && this.native.stats().recv > before) {
      this.remote = from()
      this.remoteHost = NetAddress.formatHost(this.remote)
      this.remotePort = this.remote.port
      this.events?.onMoved?.()
    }
    this.host.touch(this)
  }

  /** Whether a packet comes from elsewhere than the peer's packets have so far. */
  moved(host: string, port: number): boolean {
    return port !== this.remotePort || host !== this.remoteHost
  }

  /** Refuses a handshake that has just begun. */
  refuse(code: number, reason: string): void {
    this.refusal = { code, reason }
  }

  /** The binding's own timers: loss detection, idle timeout, draining. They run on the system's clock, as it does. */
  expire(): void {
    if (this.phase === "closed") return
    this.native.onTimeout()
    this.host.touch(this)
  }

  turn(now: number): void {
    if (this.phase === "closed") return
    if (this.packetsThisTurn > 0) this.lastReceived = now
    if (this.refusal !== undefined) this.fail(this.refusal.code, this.refusal.reason)
    else if (this.phase === "handshaking" && this.native.isEstablished()) this.establish()
    if (this.phase === "established") {
      this.readStreams(false)
      this.confirm(now)
      this.pump(now)
      this.audit()
    }
    let held = false
    if (this.phase !== "draining") {
      if (this.localClose !== undefined) this.sendClose()
      else held = !this.flush(now)
    }
    if (this.native.isClosed() || this.native.isDraining()) this.terminate()
    const timeout = this.native.timeout()
    // The binding rounds down to whole milliseconds; without the extra one the timer would fire too early and spin.
    this.deadline = timeout === null ? Infinity : now + timeout + 1
    if (held) this.deadline = Math.min(this.deadline, now + 2)
    if (this.bareFins.length > 0) this.deadline = Math.min(this.deadline, now + 10)
    this.host.wake(this.deadline)
  }

  /** Puts a PING on the wire (RFC 9000, section 19.2). */
  ping(): void {
    if (this.phase !== "established") return
    this.native.sendAckEliciting()
    this.host.touch(this)
  }

  /** Whether it waits for the peer and has not got on since this was last asked. */
  stalled(): boolean {
    const waits = this.queue.size + this.parked.length + this.creditless.length + this.unconfirmed.length > 0
    const moved = this.progress !== this.progressSeen
    this.progressSeen = this.progress
    return waits && !moved
  }

  /** Closes because of what the transport found; the peer sees a transport error. */
  fail(code: number, reason: string): void {
    // The peer has been told that these bytes arrived; they must not be lost with the connection.
    if (this.phase === "established") this.readStreams(true)
    this.closeWith(false, code, reason, new TransportClosed({ code, reason }))
  }

  // --- what its streams call ---------------------------------------------------------------------------------------

  readonly enqueue = (stream: SendStream): void => {
    if (this.phase === "draining" || this.phase === "closed") {
      stream.end(this.localClose ?? new LocallyClosed())
      return
    }
    if (stream.queued) return
    stream.queued = true
    this.queue.push(stream)
    this.host.touch(this)
  }

  readonly discard = (stream: SendStream, code: number): void => {
    this.unlist(stream)
    if (stream.id === undefined || this.phase !== "established") return
    try {
      this.native.streamShutdown(stream.id, shutdownWrite, code)
    } catch {
      // Already collected: everything had been acknowledged, so there is nothing to take back.
    }
    this.host.touch(this)
  }

  readonly reprioritize = (stream: SendStream, priority: number): void => {
    const listed = stream.queued && !this.parked.includes(stream) && !this.creditless.includes(stream)
    if (listed) this.queue.remove(stream)
    stream.priority = priority
    if (listed) this.queue.push(stream)
    if (stream.id !== undefined) this.tellPriority(stream)
  }

  readonly resumed = (): void => this.host.touch(this)

  readonly stopped = (stream: RecvStream, code: number): void => {
    this.receiving.delete(stream.id)
    if (this.phase !== "established") return
    try {
      this.native.streamShutdown(stream.id, shutdownRead, code)
    } catch {
      // Already read to its end.
    }
    this.host.touch(this)
  }

  readonly delivered = (bytes: number): void => {
    this.bytesReadThisTurn += bytes
  }

  /** A stream of ours got its id: its answers are read from now on. */
  readonly listen = (stream: RecvStream): void => {
    this.receiving.set(stream.id, stream)
  }

  // --- the turn ----------------------------------------------------------------------------------------------------

  private establish(): void {
    this.phase = "established"
    this.events = this.onEstablished?.(this)
    this.onEstablished = undefined
  }

  private readStreams(regardless: boolean): void {
    // Asking for the list costs far more than asking whether it is empty.
    if (!this.native.isReadable()) return
    for (const id of this.native.readable()) {
      const stream = this.receiving.get(id) ?? this.accept(id)
      if (stream.ended) {
        this.receiving.delete(id)
        continue
      }
      if (stream.paused && !regardless) continue
      stream.read(this.host.scratch, regardless)
      if (stream.ended) this.receiving.delete(id)
    }
  }

  private accept(id: number): RecvStream {
    const stream = new RecvStream(this, id)
    this.receiving.set(id, stream)
    let send: SendStream | undefined
    if ((id & 0x2) === 0) {
      send = new SendStream(this, true, 0)
      send.id = id
      this.sending.add(send)
    }
    stream.events = this.events!.onStream(stream, send)
    return stream
  }

  private confirm(now: number): void {
    if (this.unconfirmed.length > 0) {
      const waiting = this.unconfirmed
      const still: Array<SendStream> = []
      this.unconfirmed = still
      for (const stream of waiting) {
        if (stream.ended) continue
        if (stream.confirmed() || (stream.bidirectional && this.settled(stream, now))) {
          this.release(stream)
          this.progress += 1
          stream.succeed()
        } else if (stream.ended) this.release(stream)
        else still.push(stream)
      }
    }
    if (this.bareFins.length > 0) {
      const waiting = this.bareFins
      this.bareFins = []
      for (const stream of waiting) {
        if (stream.ended) continue
        if (!this.settled(stream, now)) {
          this.bareFins.push(stream)
          continue
        }
        stream.writeFin()
        if (stream.ended) this.release(stream)
        else this.awaitConfirmation(stream, now)
      }
    }
  }

  /**
   * Whether everything that `stream` wrote has been acknowledged, found without asking for the stream: either nothing at
   * all is in flight, or so much time has passed since that a loss would have been declared (RFC 9002, section 6.1.2)
   * and none was.
   *
   * Two cases need this. quiche forgets a fin that is sent alone while data is in flight, once that data is
   * acknowledged, so such a fin waits. And it keeps a bidirectional stream until its other half has been read, which
   * hides the acknowledgement of this half.
   */
  private settled(stream: SendStream, now: number): boolean {
    const timeout = this.native.timeout()
    if (timeout === null || timeout >= this.idleTimeout() - (now - this.lastReceived) - 5) return true
    const path = this.native.pathStats()[0]
    if (path === undefined) return false
    if (path.lost !== stream.settleLost) {
      stream.settleLost = path.lost
      stream.settleFrom = now
      return false
    }
    const maxAckDelay = 25
    return now - stream.settleFrom > path.rtt * 3 + maxAckDelay * 2 && this.lastReceived > stream.settleFrom
  }

  private idleTimeout(): number {
    const peer = this.native.stats().peerMaxIdleTimeout
    return peer > 0 ? Math.min(peer, this.host.idleTimeout) : this.host.idleTimeout
  }

  private pump(now: number): void {
    if (this.creditless.length > 0) this.requeueCredited()
    for (const stream of this.parked.splice(0)) this.queue.putBack(stream)
    const failed: Array<SendStream> = []
    let wrote = false
    while (this.queue.size > 0) {
      const stream = this.queue.take(this.opened < tunables.maxOpenStreams)
      if (stream === undefined) break
      if (stream.ended) continue
      if (stream.id === undefined && !this.assignId(stream)) continue
      const before = stream.pending
      const result = stream.writeSome()
      if (stream.pending < before || result === "drained") {
        this.progress += 1
        wrote = true
        // Others got through after these had not: it is their own windows that are full, not the connection's.
        if (failed.length > 0) this.parked.push(...failed.splice(0))
      }
      if (result === "drained") this.drained(stream, now)
      else if (result === "yielded") this.queue.push(stream)
      else if (result === "ended") this.release(stream)
      else {
        failed.push(stream)
        if (failed.length >= 4) break
      }
    }
    if (failed.length === 0) return
    this.fruitlessPumps = wrote ? 0 : this.fruitlessPumps + 1
    // Streams that only their own windows hold must not keep the head of the queue for ever.
    if (this.fruitlessPumps % 16 === 15) for (const stream of failed) this.queue.push(stream)
    else for (const stream of failed.reverse()) this.queue.putBack(stream)
  }

  private drained(stream: SendStream, now: number): void {
    stream.queued = false
    if (stream.finWritten) return this.awaitConfirmation(stream, now)
    stream.settleFrom = now
    stream.settleLost = -1
    if (stream.bareFin) {
      this.bareFins.push(stream)
      this.host.touch(this)
    }
  }

  private awaitConfirmation(stream: SendStream, now: number): void {
    stream.settleFrom = now
    stream.settleLost = -1
    this.unconfirmed.push(stream)
  }

  /** Ids are given out in order, and only when the peer has credit: a skipped or refused id would use it up. */
  private assignId(stream: SendStream): boolean {
    const left = stream.bidirectional ? this.native.peerStreamsLeftBidi() : this.native.peerStreamsLeftUni()
    if (left <= 0) {
      this.creditless.push(stream)
      return false
    }
    if (stream.bidirectional) {
      stream.id = this.nextBi
      this.nextBi += 4
    } else {
      stream.id = this.nextUni
      this.nextUni += 4
    }
    this.sending.add(stream)
    this.opened += 1
    if (stream.priority !== 0) this.tellPriority(stream)
    stream.onId?.(stream.id)
    return true
  }

  private requeueCredited(): void {
    const waiting = this.creditless
    this.creditless = []
    for (const stream of waiting) {
      const left = stream.bidirectional ? this.native.peerStreamsLeftBidi() : this.native.peerStreamsLeftUni()
      if (left > 0) this.queue.push(stream)
      else this.creditless.push(stream)
    }
  }

  /** The binding's urgency is 0 to 255, lower first, 127 by default. */
  private tellPriority(stream: SendStream): void {
    try {
      this.native.streamPriority(stream.id!, Math.min(Math.max(127 - stream.priority, 0), 255), true)
    } catch {
      // Collected meanwhile.
    }
  }

  /** Bounds what a peer can make the binding keep that no window counts. */
  private audit(): void {
    // Headers and acknowledgements explain something for each packet that brought data or that we sent.
    this.explained += this.bytesReadThisTurn * 1.5 + Math.min(this.packetsThisTurn, this.bytesReadThisTurn) * 64
    this.packetsThisTurn = 0
    this.bytesReadThisTurn = 0
    const unexplained = this.bytesIn - this.explained - this.packetsOut * 128
    if (unexplained > tunables.unexplainedBytes + tunables.maxConnectionWindow) {
      this.fail(INTERNAL_ERROR, "too much that is not data")
    }
  }

  /** Sends what is ready. False when something else than the peer holds it back. */
  private flush(now: number): boolean {
    const { host, native } = this
    this.allowance = Math.min(this.allowance + (now - this.lastRefill) * host.sendRate, host.sendRate * 10)
    this.lastRefill = now
    for (let i = 0; i < tunables.burst; i++) {
      // quiche 0.18 lets a peer grow its congestion window without bound (CVE-2025-4820, CVE-2025-4821); the rate per
      // peer is what keeps it from making us flood the network.
      if (this.allowance <= 0 || !host.mayTransmit()) return false
      let sent: readonly [number, unknown] | null
      try {
        sent = native.send(host.packetBuffer())
      } catch {
        return true
      }
      if (sent === null) return true
      this.allowance -= sent[0]
      this.packetsOut += 1
      this.active = true
      host.transmit(sent[0], this.remote)
    }
    // More may be ready than one turn should send.
    host.touch(this)
    return true
  }

  // --- the end -----------------------------------------------------------------------------------------------------

  private closeWith(application: boolean, code: number, reason: string, close: Close): void {
    if (this.localClose !== undefined || this.phase === "draining" || this.phase === "closed") return
    this.localClose = close
    try {
      this.native.close(application, code, encodeReason(reason))
    } catch {
      // Already closing for another reason, which `terminate` finds.
    }
    this.host.touch(this)
  }

  /** Writes the close frame, and keeps it: it is sent once by the binding, and may be lost. */
  private sendClose(): void {
    try {
      const buffer = this.host.packetBuffer()
      const sent = this.native.send(buffer)
      if (sent === null) return
      this.closePacket = buffer.slice(0, sent[0])
      this.host.transmit(sent[0], this.remote)
    } catch {
      // Nothing can be said to a peer without keys.
    }
  }

  /** RFC 9000, section 10.2.1: answer late packets with the close frame, less and less often. */
  private repeatClose(): void {
    if (this.closePacket === undefined) return
    this.lateArrivals += 1
    if ((this.lateArrivals & (this.lateArrivals - 1)) === 0) this.host.retransmit(this.closePacket, this.remote)
  }

  private terminate(): void {
    if (this.phase !== "draining") {
      const established = this.phase === "established"
      // What has arrived is delivered, whoever had paused: there is no later.
      if (established && this.localClose === undefined) this.readStreams(true)
      this.phase = "draining"
      this.report(this.localClose ?? this.foundClose(), established)
    }
    if (this.native.isClosed()) this.phase = "closed"
  }

  /** Ends it here and now, with no time to drain: the socket is closing. */
  abandon(): void {
    if (this.phase === "draining" || this.phase === "closed") return
    const established = this.phase === "established"
    this.closeWith(true, NO_ERROR, "", new LocallyClosed())
    this.sendClose()
    this.phase = "closed"
    this.report(this.localClose!, established)
  }

  private foundClose(): Close {
    const peer = this.native.peerError()
    if (peer !== null) {
      const code = clampCode(peer.errorCode)
      const reason = decodeReason(peer.reason)
      // An application close during the handshake comes as this transport error (RFC 9000, section 10.2.3).
      if (peer.isApp || code === APPLICATION_ERROR) return new ApplicationClosed({ code: peer.isApp ? code : 0, reason })
      return new TransportClosed({ code, reason })
    }
    if (this.native.isTimedOut()) return new IdleTimedOut()
    const local = this.native.localError()
    if (local !== null) {
      return new TransportClosed({ code: clampCode(local.errorCode), reason: decodeReason(local.reason) })
    }
    return statelessReset
  }

  private report(close: Close, established: boolean): void {
    this.localClose ??= close
    const { events, onOver } = this
    const streams = [...this.queue.drain(), ...this.creditless, ...this.parked, ...this.sending]
    this.creditless = []
    this.parked = []
    this.unconfirmed = []
    this.bareFins = []
    this.sending.clear()
    this.opened = 0
    for (const stream of streams) stream.end(close)
    for (const stream of this.receiving.values()) stream.end(close)
    this.receiving.clear()
    this.onEstablished = undefined
    this.onOver = undefined
    this.events = undefined
    events?.onClosed(close)
    onOver?.(close, established)
  }

  private unlist(stream: SendStream): void {
    if (stream.queued) this.queue.remove(stream)
    stream.queued = false
    this.release(stream)
  }

  private release(stream: SendStream): void {
    const ours = (stream.id! & 0x1) === (this.dialled ? 0 : 1)
    if (this.sending.delete(stream) && ours) this.opened -= 1
  }
}

/** The binding says nothing at all about a stateless reset (RFC 9000, section 10.3): this is what is left. */
export const statelessReset = new TransportClosed({ code: NO_ERROR, reason: statelessResetReason })

/** The receiving half of a stream that we opened: it has no id before its sending half has one. */
class LocalRecvStream implements BackingRecvStream {
  private stream: RecvStream | undefined = undefined
  private stopCode: number | undefined = undefined

  constructor(connection: Connection, send: SendStream, events: RecvEvents) {
    send.onId = (id) => {
      const stream = new RecvStream(connection, id)
      stream.events = events
      this.stream = stream
      connection.listen(stream)
      if (this.stopCode !== undefined) stream.stop(this.stopCode)
    }
    send.onNoId = (failure) => events.onEnd(failure)
  }

  readonly resume = (): void => this.stream?.resume()

  readonly stop = (code: number): void => {
    if (this.stream === undefined) this.stopCode = code
    else this.stream.stop(code)
  }
}
