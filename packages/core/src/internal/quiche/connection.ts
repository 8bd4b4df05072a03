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
import { clampCode } from "../code.ts"
import { statelessResetReason } from "../failures.ts"
import { APPLICATION_ERROR, decodeReason, encodeReason, INTERNAL_ERROR, NO_ERROR } from "./errorCode.ts"
import type { NativeConnection } from "./native.ts"
import { Incoming } from "./incoming.ts"
import type { Outbox } from "./outbox.ts"
import { Outgoing } from "./outgoing.ts"
import { LocalRecvStream } from "./localRecvStream.ts"
import * as tunables from "./tunables.ts"

/** What a connection needs of its socket. */
export interface ConnectionHost {
  /** Gives the connection a turn soon. */
  readonly touch: (connection: Connection) => void
  /** Gives the connection a turn at `deadline` (`performance.now()` milliseconds) at the latest. */
  readonly wake: (deadline: number) => void
  readonly outbox: Outbox
  /** The connection is over; it may still have to drain. */
  readonly ended: (connection: Connection) => void
  /** Sends a packet that belongs to no turn. */
  readonly answer: (packet: Uint8Array, to: NetAddress.InetAddress) => void
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

interface Closing {
  readonly application: boolean
  readonly code: number
  readonly reason: string
  since: number
  /** Whether the binding knows. */
  told: boolean
}

/** How long a close waits for room in the congestion window, and how long it may take in all, in milliseconds. */
const patience = 100
const longestClose = 1_000

export class Connection implements BackingConnection {
  readonly native: NativeConnection
  readonly dialled: boolean
  phase: Phase = "handshaking"
  /** When the binding wants to be called next, in `performance.now()` milliseconds. */
  deadline = Infinity
  /** Whether the socket has it listed for a turn. */
  touched = false
  /** Whether anything was sent since the socket's housekeeping last looked, and for how long nothing was. */
  active = true
  idleFor = 0
  /** For how long it has been waiting without getting on. */
  stalledFor = 0
  /** How long the handshake has taken. */
  handshakingFor = 0
  handshakeTimedOut = false
  versionMismatch = false
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
  private remote: NetAddress.InetAddress
  private remoteHost: string
  private remotePort: number
  private events: ConnectionEvents | undefined = undefined
  private readonly outgoing: Outgoing
  private readonly incoming: Incoming
  private progressSeen = 0
  private lastReceived = performance.now()
  private heard = 0
  private heardTime = 0
  private allowance: number
  private lastRefill = performance.now()
  // The accounts that bound what a peer can make the binding keep.
  private bytesIn = 0
  private explained = 0
  private packetsThisTurn = 0
  private packetsOut = 0
  private bytesOut = 0
  private bytesKnown = 0
  private leaked = 0
  /** The close frame, to be repeated while late packets come. */
  private closePacket: Uint8Array | undefined = undefined
  private lateArrivals = 0
  private localClose: Close | undefined = undefined
  /** What to tell the peer of it, in the next turn. */
  private closing: Closing | undefined = undefined
  /** Whether anything was sent since the handshake. */
  private flushed = false

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
    this.allowance = this.host.sendRate * 10
    const touch = () => this.host.touch(this)
    const over = () => (this.phase === "draining" || this.phase === "closed" ? this.localClose : undefined)
    this.outgoing = new Outgoing({
      native: this.native,
      dialled: this.dialled,
      touch,
      over,
      heardAt: () => this.heardAt(),
      idleTimeout: () => this.idleTimeout()
    })
    this.incoming = new Incoming({
      native: this.native,
      touch,
      over,
      events: () => this.events!,
      answer: (id) => this.outgoing.answer(id),
      wasReset: () => this.leak(),
      willDrop: (bytes) => {
        this.explained += bytes
      },
      scratch: this.host.scratch
    })
  }

  // --- what the endpoint calls -------------------------------------------------------------------------------------

  get remoteAddress(): NetAddress.InetAddress {
    return this.remote
  }

  readonly openUni = (priority: number): BackingSendStream => this.outgoing.open(false, priority)

  readonly openBi = (
    priority: number,
    events: RecvEvents
  ): { readonly send: BackingSendStream; readonly receive: BackingRecvStream } => {
    const send = this.outgoing.open(true, priority)
    return { send, receive: new LocalRecvStream(this.incoming, send, events) }
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

  /** The binding's own timers: loss detection, idle timeout, draining. They run on the system's clock, as it does. */
  expire(): void {
    if (this.phase === "closed") return
    this.native.onTimeout()
    this.host.touch(this)
  }

  turn(now: number): void {
    if (this.phase === "closed") return
    const packets = this.packetsThisTurn
    this.packetsThisTurn = 0
    if (packets > 0) this.lastReceived = now
    if (this.phase === "handshaking" && this.localClose === undefined && this.native.isEstablished()) this.establish()
    if (this.phase === "established" && this.localClose === undefined) {
      this.incoming.read(false)
      if (packets > 0) this.outgoing.notice()
      this.outgoing.confirm(now)
      this.outgoing.pump(now)
      this.audit(packets)
    }
    let held = false
    if (this.phase !== "draining") {
      if (this.closing !== undefined) this.sendClose(now, packets > 0)
      else held = !this.flush(now, tunables.burst)
    }
    if (this.native.isClosed() || this.native.isDraining()) this.terminate()
    const timeout = this.native.timeout()
    // The binding rounds down to whole milliseconds; without the extra one the timer would fire too early and spin.
    this.deadline = timeout === null ? Infinity : now + timeout + 1
    if (held) this.deadline = Math.min(this.deadline, now + 2)
    if (this.closing !== undefined && this.phase !== "draining") this.deadline = Math.min(this.deadline, now + 10)
    if (this.outgoing.watches) this.deadline = Math.min(this.deadline, now + 10)
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
    const moved = this.outgoing.progress !== this.progressSeen
    this.progressSeen = this.outgoing.progress
    return this.outgoing.waits && !moved
  }

  /** Closes because of what the transport found; the peer sees a transport error. */
  fail(code: number, reason: string): void {
    // The peer has been told that these bytes arrived; they must not be lost with the connection.
    if (this.phase === "established") this.incoming.read(true)
    this.closeWith(false, code, reason, new TransportClosed({ code, reason }))
  }

  // --- the turn ----------------------------------------------------------------------------------------------------

  private establish(): void {
    this.phase = "established"
    this.events = this.onEstablished?.(this)
    this.onEstablished = undefined
  }

  /** Bounds what a peer can make the binding keep that no window counts. */
  private audit(packets: number): void {
    // Headers and acknowledgements explain something for each packet that brought data or that we sent.
    const { bytesRead } = this.incoming
    this.explained += bytesRead * 1.5 + Math.min(packets, bytesRead) * 64
    this.incoming.bytesRead = 0
    this.bytesOut += bytesRead
    // With nothing left to read, whatever came in and was not read was not stream data.
    if (!this.native.isReadable()) this.bytesKnown = this.bytesIn - this.bytesOut
    if (this.leaked > tunables.initialConnectionWindow / 2) {
      return this.fail(INTERNAL_ERROR, "too many streams reset unread")
    }
    const allowed = this.explained + this.packetsOut * 128 + tunables.unexplainedBytes + tunables.maxConnectionWindow
    if (this.bytesIn <= allowed) return
    // What others sent in the peer's name was dropped and is not its doing; asking each time would cost too much.
    this.bytesIn = this.native.stats().recvBytes
    if (this.bytesIn > allowed) {
      this.fail(INTERNAL_ERROR, "too much that is not data")
    }
  }

  /**
   * The binding gives no connection window back for what was not read of a stream when the peer reset it. A connection
   * that has lost half of its window this way is closed, so that the next one starts afresh, before it comes to a stop.
   */
  private leak(): void {
    const unread = this.bytesIn - this.bytesOut - this.incoming.bytesRead - this.bytesKnown
    this.leaked += Math.max(0, Math.min(unread, tunables.initialStreamWindow))
  }

  /** Sends what is ready. False when something else than the peer holds it back. */
  private flush(now: number, burst: number): boolean {
    const { host, native } = this
    this.allowance = Math.min(this.allowance + (now - this.lastRefill) * host.sendRate, host.sendRate * 10)
    this.lastRefill = now
    if (this.phase === "established") this.flushed = true
    for (let i = 0; i < burst; i++) {
      // quiche 0.18 lets a peer grow its congestion window without bound (CVE-2025-4820, CVE-2025-4821); the rate per
      // peer is what keeps it from making us flood the network.
      if (this.allowance <= 0 || !host.outbox.hasRoom) return false
      let sent: readonly [number, unknown] | null
      try {
        sent = native.send(host.outbox.packetBuffer())
      } catch {
        return true
      }
      if (sent === null) return true
      this.allowance -= sent[0]
      this.packetsOut += 1
      this.active = true
      host.outbox.addBuffered(sent[0], this.remote)
    }
    // More may be ready than one turn should send.
    host.touch(this)
    return true
  }

  // --- the end -----------------------------------------------------------------------------------------------------

  private closeWith(application: boolean, code: number, reason: string, close: Close): void {
    if (this.localClose !== undefined || this.phase === "draining" || this.phase === "closed") return
    this.localClose = close
    this.closing = { application, code, reason, since: performance.now(), told: false }
    this.host.touch(this)
  }

  /** Writes the close frame, and keeps it: the binding sends it once, and it may be lost. */
  private sendClose(now: number, heard: boolean): void {
    const closing = this.closing!
    const waited = now - closing.since
    if (!closing.told) {
      // The binding sends no close frame while the congestion window is full, and acknowledgements that come after
      // `close` do not empty it any more. So it is called when one has just come, or when none seems to.
      if (this.outgoing.congested && !heard && waited < patience) return
      // What the peer needs to read the frame goes first: the end of our handshake may not have left yet.
      if (!this.flushed) this.flush(now, 4)
      closing.told = true
      try {
        this.native.close(closing.application, closing.code, encodeReason(closing.reason))
      } catch {
        // Closing for another reason already, which `terminate` finds.
      }
    }
    try {
      const buffer = this.host.outbox.packetBuffer()
      const sent = this.native.send(buffer)
      if (sent !== null) {
        this.closePacket = buffer.slice(0, sent[0])
        this.host.outbox.addBuffered(sent[0], this.remote)
      }
    } catch {
      // A peer without keys, to whom nothing can be said.
    }
    if (waited > longestClose) this.terminate()
  }

  /** RFC 9000, section 10.2.1: answer late packets with the close frame, less and less often. */
  private repeatClose(): void {
    if (this.closePacket === undefined) return
    this.lateArrivals += 1
    if ((this.lateArrivals & (this.lateArrivals - 1)) === 0) this.host.answer(this.closePacket, this.remote)
  }

  private terminate(): void {
    if (this.phase !== "draining") {
      const established = this.phase === "established"
      // What has arrived is delivered, whoever had paused: there is no later.
      if (established && this.localClose === undefined) this.incoming.read(true)
      this.phase = "draining"
      this.report(this.localClose ?? this.foundClose(), established)
    }
    // The binding drains only when it has sent a close frame or seen one.
    if (this.native.isClosed() || !this.native.isDraining()) this.phase = "closed"
  }

  /** Ends it here and now, with no time to drain: the socket is closing. */
  abandon(): void {
    if (this.phase === "draining" || this.phase === "closed") return
    const established = this.phase === "established"
    this.closeWith(true, NO_ERROR, "", new LocallyClosed())
    this.closing!.since = -Infinity
    this.sendClose(performance.now(), true)
    this.phase = "closed"
    this.report(this.localClose!, established)
  }

  /** When the last packet came that the peer did send. Only right if it is asked in every turn of the time in question. */
  private heardAt(): number {
    const { recv } = this.native.stats()
    if (recv !== this.heard) {
      this.heard = recv
      this.heardTime = this.lastReceived
    }
    return this.heardTime
  }

  /** The smaller of what both sides ask for (RFC 9000, section 10.1); 0 asks for none. */
  private idleTimeout(): number {
    const peer = this.native.stats().peerMaxIdleTimeout
    return peer > 0 ? Math.min(peer, this.host.idleTimeout) : this.host.idleTimeout
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

/** The binding says nothing at all about a stateless reset (RFC 9000, section 10.3): this is what is left. */
export const statelessReset = new TransportClosed({ code: NO_ERROR, reason: statelessResetReason })
