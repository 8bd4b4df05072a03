/** Connections of the memory transport: handshake, packets and the ways to close. */
import { ApplicationClosed, type Close, IdleTimedOut, LocallyClosed, TransportClosed } from "@qp2p/core/Close"
import { ConnectionClosed, type ConnectionError, ConnectionTimedOut, PeerRefused } from "@qp2p/core/ConnectionError"
import type { Direction } from "@qp2p/core/Direction"
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
import * as Duration from "effect/Duration"
import type * as NetAddress from "effect/net/NetAddress"
import type { Place } from "../network/place.ts"
import * as admission from "./admission.ts"
import { Channel, window } from "./channel.ts"
import { Datagrams } from "./datagrams.ts"
import { Following } from "./following.ts"
import { Link } from "./link.ts"
import { Liveness } from "./liveness.ts"
import type { MemoryPort, PortConnection } from "./port.ts"
import { Receiving } from "./receiving.ts"
import { Sending } from "./sending.ts"
import type { MemoryWire } from "./wire.ts"

/** A packet that has arrived. */
type Packet = (peer: MemoryConnection) => void

/** What a handshake adds to the counters of bytes, each of its datagrams 1,200 (RFC 9000, section 14.1): the dialler sends two. */
const handshakeBytes = (ofDialler: boolean): number => (ofDialler ? 2 : 1) * 1_200

/** One end of a connection, half-open until `establish`. */
export class MemoryConnection implements BackingConnection, PortConnection {
  readonly port: MemoryPort
  readonly link: Link<MemoryPort>
  readonly seniority: string
  readonly sending: Sending
  readonly receiving: Receiving
  private readonly datagrams: Datagrams
  peer: MemoryConnection | undefined
  /** How the connection ended, if it has. */
  closed: Close | undefined
  isAccepted: boolean
  private readonly wire: MemoryWire
  private readonly liveness: Liveness
  private readonly following: Following
  private readonly onFailed: ((error: ConnectionError) => void) | undefined
  private events: ConnectionEvents | undefined
  private finished = false
  /** The packets that wait until the owner of the socket has decided about the peer; undefined when none has to wait. */
  private held: Array<Packet> | undefined
  /** Ends the question about the peer, if it is not answered. */
  private cancelAdmission: (() => void) | undefined
  private bytesReceived = 0

  constructor(
    wire: MemoryWire,
    port: MemoryPort,
    remote: Place,
    seniority: string,
    /** Called when a dial fails; undefined for an acceptor, which cannot fail. */
    onFailed: ((error: ConnectionError) => void) | undefined
  ) {
    this.wire = wire
    this.port = port
    this.seniority = seniority
    this.onFailed = onFailed
    this.isAccepted = onFailed === undefined
    this.sending = new Sending(this)
    this.receiving = new Receiving(this)
    this.datagrams = this.makeDatagrams()
    this.liveness = this.makeLiveness()
    this.following = this.makeFollowing()
    this.link = new Link(
      wire,
      port,
      remote,
      (reached) => (this.peer === undefined ? this.wouldAnswer(reached) : this.peer.port === reached),
      (close) => this.finish(close)
    )
    port.connections.add(this)
    this.liveness.start()
  }

  get timeline() {
    return this.wire.timeline
  }

  get peerId(): PeerId {
    return this.peer!.port.options.identity.peerId
  }

  get remoteAddress(): NetAddress.InetAddress {
    return this.link.to.address
  }

  get unread() {
    return this.receiving.unread
  }

  get connection() {
    return this
  }

  get isHeldBack() {
    return this.receiving.isHeldBack
  }

  get maxDatagramSize() {
    return this.datagrams.maxSize
  }

  readonly sendDatagram = (datagram: Uint8Array) => this.datagrams.send(datagram)

  readonly goOn = () => this.receiving.goOn()

  readonly charge = (change: number) => this.receiving.charge(change)

  get isUnresponsive() {
    return this.liveness.isUnresponsive
  }

  establish(events: ConnectionEvents) {
    this.events = events
    if (this.finished) return events.onClosed(this.closed!)
    const { idleTimeout, keepAliveInterval } = this.port.options
    const theirs = this.peer!.port.options.idleTimeout
    this.liveness.establish(Duration.toMillis(Duration.min(idleTimeout, theirs)), Duration.toMillis(keepAliveInterval))
  }

  /**
   * The peer has proven its key: asks the owner of the socket about it, and calls `onAdmitted` unless the peer is refused.
   * What arrives before the decision is neither delivered nor acknowledged.
   */
  admit(direction: Direction, onAdmitted: () => void) {
    this.held = []
    const { peerId, remoteAddress: address } = this
    this.cancelAdmission = admission.ask(
      this.timeline,
      this.port.onHandshake,
      { peerId, address, direction },
      (isAdmitted) => {
        if (this.closed !== undefined) return
        if (!isAdmitted) return this.refuse()
        const held = this.held!
        this.held = undefined
        onAdmitted()
        for (const packet of held) if (this.closed === undefined) packet(this)
      }
    )
  }

  /** The peer has admitted this side. */
  accepted() {
    this.isAccepted = true
    this.events?.onAccepted?.()
  }

  /** Closes a half-open connection, whose dial fails with `error`. The peer is told nothing but that. */
  abandon(error: ConnectionError) {
    this.closeWith(new LocallyClosed(), new ApplicationClosed({ code: ErrorCode.noError, detail: "" }), error)
  }

  /** Sends a packet. It is dropped if the peer's end is closed when it arrives. */
  send(size: number, deliver: Packet) {
    this.link.send(size, (_, source) => this.peer?.receive(source, size, deliver))
  }

  expectAnswer() {
    this.liveness.expectAnswer()
  }

  /** Closes this end without a notice to the peer. A half-open one reports `error`. */
  finish(close: Close, error?: ConnectionError) {
    if (this.finished) return
    this.finished = true
    const reason = (this.closed ??= close)
    this.receiving.release()
    this.liveness.stop()
    this.link.close()
    this.port.connections.delete(this)
    this.cancelAdmission?.()
    if (this.events === undefined) {
      return this.onFailed?.(error ?? this.failure(reason))
    }
    this.receiving.endAll(reason)
    this.sending.failAll(reason)
    this.events.onClosed(reason)
  }

  readonly close = (code: number, detail: string) =>
    this.closeWith(new LocallyClosed(), new ApplicationClosed({ code, detail }))

  readonly timeOut = () =>
    this.closeWith(new IdleTimedOut(), new TransportClosed({ code: 0, detail: "no sign of life" }))

  readonly checkAlive = () => this.liveness.checkAlive()

  readonly stats = (): ConnectionStats => ({
    roundTripTime: Duration.millis(this.roundTrip),
    packetsSent: this.link.packets,
    packetsReceived: this.liveness.packetsReceived,
    packetsLost: this.link.lost,
    packetsRefused: 0,
    bytesSent: this.link.bytes + handshakeBytes(this.onFailed !== undefined),
    bytesReceived: this.bytesReceived + handshakeBytes(this.onFailed === undefined),
    congestionWindow: window
  })

  readonly openUni = (priority: number): BackingSendStream => this.open(priority, undefined).send

  readonly openBi = (
    priority: number,
    events: RecvEvents
  ): { readonly send: BackingSendStream; readonly receive: BackingRecvStream } => {
    const { back, send } = this.open(priority, events)
    return { send, receive: this.receiving.stream(back!) }
  }

  private get roundTrip() {
    return this.link.latency + (this.peer?.link.latency ?? 0)
  }

  private makeLiveness(): Liveness {
    const { handshakeTimeout, idleTimeout } = this.port.options
    return new Liveness(
      {
        timeline: this.timeline,
        isEstablished: () => this.events !== undefined,
        isClosed: () => this.closed !== undefined,
        // A peer that has not accepted yet owes no answer.
        isAwaited: () => this.isAccepted && (this.sending.isAwaited || this.receiving.isAwaited),
        roundTrip: () => this.roundTrip,
        ping: () => this.send(0, (peer) => peer.send(0, () => {})),
        onUnresponsive: () => this.events?.onUnresponsive?.(),
        onHandshakeTimedOut: () => (this.held === undefined ? this.finish(new IdleTimedOut()) : this.refuse()),
        finish: (close) => this.finish(close)
      },
      this.onFailed !== undefined,
      Duration.toMillis(Duration.min(handshakeTimeout, idleTimeout))
    )
  }

  private makeDatagrams(): Datagrams {
    return new Datagrams({
      port: this.port,
      wire: this.wire,
      remote: () => this.link.to,
      isClosed: () => this.closed !== undefined,
      deliver: (at, source, datagram) => {
        const { peer } = this
        if (peer !== undefined && peer.port === at) {
          peer.receive(source, datagram.length, (receiver) => {
            // The sender hears that the peer is there, as by an acknowledgement.
            receiver.send(0, () => {})
            receiver.events?.onDatagram?.(datagram)
          })
        }
      }
    })
  }

  private makeFollowing(): Following {
    const { port, wire } = this
    return new Following({
      timeline: this.timeline,
      isClosed: () => this.closed !== undefined,
      place: () => this.link.to,
      probe: (to, answered, lost) => {
        const arrived = (at: MemoryPort | undefined) => {
          const { peer } = this
          if (peer === undefined || peer.closed !== undefined || peer.port !== at) return lost()
          const isOwn = (back: MemoryPort | undefined) => (back === port ? answered() : lost())
          wire.transmit(peer.port, peer.link.to, 0, 0, { arrive: isOwn, lose: lost })
        }
        wire.transmit(port, to, 0, 0, { arrive: arrived, lose: lost })
      },
      moveTo: (place) => {
        this.link.to = place
        this.events?.onMoved?.()
        // What was lost where the peer was is sent where it is.
        this.link.resend()
      }
    })
  }

  private open(priority: number, events: RecvEvents | undefined) {
    let announced = false
    const announce = () => {
      const peer = this.peer!
      if (announced || peer.closed !== undefined) return
      announced = true
      const send = back && peer.sending.stream(back)
      peer.receiving.add(out)
      out.events = peer.events!.onStream(peer.receiving.stream(out), send)
    }
    const out = new Channel(priority, events !== undefined, announce)
    const back = events && new Channel(0, true, announce)
    if (back !== undefined && this.closed === undefined) {
      back.events = events
      back.asked = out
      this.receiving.add(back)
    }
    return { send: this.sending.stream(out), back }
  }

  /** Why a dial failed, whose connection ended before it was established. */
  private failure(close: Close): ConnectionError {
    const { remoteAddress: peer } = this
    return close._tag === "ApplicationClosed" ? new ConnectionClosed({ peer, close }) : new ConnectionTimedOut({ peer })
  }

  /** The owner of the socket does not admit the peer. */
  private refuse() {
    const { peerId, remoteAddress: address } = this
    this.closeWith(
      new LocallyClosed(),
      new ApplicationClosed({ code: ErrorCode.refused, detail: "refused" }),
      new PeerRefused({ peerId, address, by: "Local" })
    )
  }

  /** Closes this end as `local`, and tells the peer with `notice` as the last packet. A half-open one reports `error`. */
  private closeWith(local: Close, notice: Close, error?: ConnectionError) {
    if (this.closed !== undefined) return
    this.closed = local
    this.receiving.release()
    this.link.close((_, source) => this.peer?.receiveClose(source, notice))
    this.timeline.schedule(0, () => this.finish(local, error))
  }

  /** Whether a dial has arrived where a socket accepts or refuses it. */
  private wouldAnswer(port: MemoryPort | undefined) {
    return port !== undefined || this.wire.conditions.isRefused(this.link.to)
  }

  /** Notes that a packet has arrived. Returns false if this end is closed. */
  private arrive(source: Place, size: number): boolean {
    if (this.closed !== undefined) return false
    this.liveness.heard()
    this.bytesReceived += size
    this.following.heardFrom(source)
    return true
  }

  private receive(source: Place, size: number, deliver: Packet) {
    if (!this.arrive(source, size)) return
    if (this.held === undefined) deliver(this)
    else this.held.push(deliver)
  }

  /** The peer has closed the connection. */
  private receiveClose(source: Place, notice: Close) {
    // It does not wait for the decision about the peer.
    if (this.arrive(source, 0)) this.finish(notice)
  }
}
