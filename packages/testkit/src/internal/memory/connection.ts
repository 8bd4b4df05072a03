/** Connections of the memory transport, and their streams. */
import { ApplicationClosed, type Close, IdleTimedOut, LocallyClosed, TransportClosed } from "@qp2p/core/Close"
import { type ConnectionError, ConnectionTimedOut } from "@qp2p/core/ConnectionError"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import { StreamClosed, StreamReset, StreamStopped } from "@qp2p/core/StreamError"
import type {
  BackingConnection,
  BackingRecvStream,
  BackingSendStream,
  ConnectionEvents,
  ConnectionStats,
  RecvEvents,
  StreamFailure
} from "@qp2p/core/Transport"
import * as Duration from "effect/Duration"
import type * as NetAddress from "effect/net/NetAddress"
import { Channel, window, type Write } from "./channel.ts"
import type { Place } from "../network/place.ts"
import { Link } from "./link.ts"
import type { MemoryPort, MemoryWire } from "./port.ts"

/** How many streams one side may have open until the other has read them to their ends. */
const streamCredit = 1_024

/** The limit of `weight` that a peer may not have read, in bytes: as over QUIC. */
const mostUnreadWeight = 8 << 20

/** The share of the remaining limit that one stream may use. */
const unreadShare = 1 / 128

/** How long a peer in doubt may take to answer a probe, in milliseconds. */
const lifeSign = 3_000

/**
 * Keep-alive packets are sent at multiples of this time, in milliseconds, so that hours on a `TestClock` do not take
 * long.
 */
const longestBeat = 5_000

/** Keep-alive packets are sent at least after this share of the idle timeout. */
const keepAliveShare = 1 / 3

/** The silence after which a peer is reported as unresponsive, in milliseconds and in round trips. */
const leastSilence = 750
const silentRoundTrips = 3

/** The payload of a packet in bytes: what every QUIC path carries (RFC 9000, section 14). */
const packetSize = 1200

const nothing = new Uint8Array(0)

/** The close of a half-open connection. It is not reported: the owner gets the error of the dial. */
const unanswered = new IdleTimedOut()

/** Closes the connection with the most unread bytes, because the socket's buffer is full. The others continue. */
const closeLargest = (port: MemoryPort) => {
  let largest: MemoryConnection | undefined
  for (const connection of port.connections) {
    if (connection.unread > (largest?.unread ?? 0)) largest = connection
  }
  largest?.close(ErrorCode.overloaded, "the application does not keep up")
}

/** One end of a connection, half-open until `establish`. */
export class MemoryConnection implements BackingConnection {
  readonly port: MemoryPort
  readonly link: Link
  readonly seniority: string
  peer: MemoryConnection | undefined
  private readonly wire: MemoryWire
  private readonly onFailed: ((error: ConnectionError) => void) | undefined
  private keepAlive = Infinity
  private beat = longestBeat
  private readonly dialled: boolean
  private timeout: number
  private events: ConnectionEvents | undefined
  private closed: Close | undefined
  private ended = false
  private heardAt: number
  private cancelTimer = () => {}
  private packetsReceived = 0
  private bytesReceived = 0
  private underway = 0
  /** When the oldest packet was sent that the peer has not answered. */
  private unansweredSince: number | undefined
  private watching = false
  /** The number of packets received when the peer came into doubt, and whether the owner was told. */
  private suspectedAfter: number | undefined
  private told = false
  /** The number of opened streams, and the limit that the peer grants. */
  private opened = 0
  private openCredit = streamCredit
  /** The bytes that wait to be read. */
  unread = 0
  /** The weight of the unidirectional streams that the peer has not read. */
  private unreadWeight = 0
  /** The number of the peer's streams that this side has read to their ends. */
  private closedStreams = 0
  private pumping = false
  private readonly sending = new Set<Channel>()
  private readonly blocked = new Set<Channel>()
  private readonly receiving = new Set<Channel>()

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
    this.dialled = onFailed !== undefined
    this.timeout = Math.min(
      Duration.toMillis(port.options.handshakeTimeout),
      Duration.toMillis(port.options.idleTimeout)
    )
    this.heardAt = wire.timeline.now()
    this.link = new Link(
      wire,
      port,
      remote,
      (reached) => (this.peer === undefined ? this.wouldAnswer(reached) : this.peer.port === reached),
      () => this.finish(new TransportClosed({ code: 1, detail: "killed" }))
    )
    port.connections.add(this)
    this.tick()
  }

  get remoteAddress(): NetAddress.InetAddress {
    return this.link.to.address
  }

  establish(events: ConnectionEvents) {
    this.events = events
    if (this.ended) return events.onClosed(this.closed!)
    const [own, theirs] = [this.port, this.peer!.port].map(({ options }) => Duration.toMillis(options.idleTimeout))
    this.timeout = Math.min(own!, theirs!)
    const wished = Duration.toMillis(this.port.options.keepAliveInterval)
    this.keepAlive = wished === Infinity ? Infinity : Math.min(wished, this.timeout * keepAliveShare)
    this.beat = Math.min(Math.max(this.keepAlive / 4, 1), longestBeat)
    this.cancelTimer()
    this.tick()
  }

  /** Sends a packet. It is dropped if the peer's end is closed when it arrives. */
  send(size: number, deliver: (peer: MemoryConnection) => void) {
    this.link.send(size, (_, source) => this.peer?.receive(source, size, deliver))
  }

  /** Closes this end without a notice to the peer. A half-open one reports `error`. */
  finish(close: Close, error?: ConnectionError) {
    if (this.ended) return
    this.ended = true
    const reason = (this.closed ??= close)
    this.waits(0)
    this.cancelTimer()
    this.link.close()
    this.port.connections.delete(this)
    if (this.events === undefined) {
      return this.onFailed?.(error ?? new ConnectionTimedOut({ peer: this.remoteAddress }))
    }
    const receiving = [...this.receiving]
    this.receiving.clear()
    for (const channel of receiving) {
      while (channel.chunks.length > 0 && reason._tag !== "LocallyClosed") channel.offer(Infinity)
      channel.events!.onEnd(channel.finished && channel.chunks.length === 0 ? undefined : reason)
    }
    for (const channel of this.sending) this.fail(channel, reason)
    this.events.onClosed(reason)
  }

  readonly close = (code: number, detail: string) => {
    if (this.closed !== undefined) return
    const local = (this.closed = new LocallyClosed())
    this.waits(0)
    const notice = (peer: MemoryConnection) => peer.finish(new ApplicationClosed({ code, detail }))
    this.link.close((_, source) => this.peer?.receive(source, 0, notice))
    this.wire.timeline.schedule(0, () => this.finish(local))
  }

  readonly checkAlive = () => {
    const asked = this.packetsReceived
    this.probe()
    this.wire.timeline.schedule(lifeSign, () => {
      if (this.packetsReceived === asked) this.finish(new IdleTimedOut())
    })
  }

  get isUnresponsive() {
    const is = this.suspectedAfter === this.packetsReceived && this.closed === undefined && this.isAwaited()
    // When the peer responds again, its next silence is reported again.
    if (!is) this.told = false
    return is
  }

  readonly timeOut = () => {
    if (this.closed !== undefined) return
    const silence = (this.closed = new IdleTimedOut())
    const notice = (peer: MemoryConnection) => peer.finish(new TransportClosed({ code: 0, detail: "no sign of life" }))
    this.link.close((_, source) => this.peer?.receive(source, 0, notice))
    this.wire.timeline.schedule(0, () => this.finish(silence))
  }

  readonly stats = (): ConnectionStats => ({
    roundTripTime: Duration.millis(this.link.latency + (this.peer?.link.latency ?? 0)),
    packetsSent: this.link.packets,
    packetsReceived: this.packetsReceived,
    packetsLost: this.link.lost,
    packetsRefused: 0,
    bytesSent: this.link.bytes,
    bytesReceived: this.bytesReceived,
    congestionWindow: window
  })

  readonly openUni = (priority: number) => this.open(priority, undefined).send

  readonly openBi = (priority: number, events: RecvEvents) => {
    const { back, send } = this.open(priority, events)
    return { send, receive: this.receiver(back!) }
  }

  private open(priority: number, events: RecvEvents | undefined) {
    let announced = false
    const announce = () => {
      const peer = this.peer!
      if (announced || peer.closed !== undefined) return
      announced = true
      const send = back && peer.sender(back)
      peer.receiving.add(out)
      out.events = peer.events!.onStream(peer.receiver(out), send)
    }
    const out = new Channel(priority, events !== undefined, announce)
    const back = events && new Channel(0, true, announce)
    if (back !== undefined && this.closed === undefined) {
      back.events = events
      back.asked = out
      this.receiving.add(back)
    }
    return { send: this.sender(out), back }
  }

  private sender(channel: Channel): BackingSendStream {
    if (this.closed === undefined) this.sending.add(channel)
    const enqueue = (write: Write) => {
      const failure = this.closed ?? channel.failure
      if (failure !== undefined) return write.done(failure)
      if (channel.finQueued) return write.done(new StreamClosed())
      channel.finQueued = write.fin
      channel.queue.push(write)
      this.blocked.add(channel)
      this.pump()
    }
    return {
      write: (bytes, fin, done) => enqueue({ bytes, fin, done, offset: 0, length: bytes.length }),
      writeWhole: (content, done) => enqueue({ bytes: nothing, content, fin: true, done, offset: 0, length: 0 }),
      setPriority: (priority) => {
        channel.priority = priority
      },
      reset: (code) => this.reset(channel, code)
    }
  }

  private reset(channel: Channel, code: number) {
    if (this.closed !== undefined || !this.sending.has(channel)) return
    const failure = (channel.failure = new StreamClosed())
    this.blocked.delete(channel)
    this.wire.timeline.schedule(0, () => this.fail(channel, failure))
    this.send(0, (peer) => {
      channel.announce()
      if (!channel.finished) peer.end(channel, new StreamReset({ code }))
    })
  }

  private receiver(channel: Channel): BackingRecvStream {
    return {
      resume: () => {
        if (!channel.paused) return
        channel.paused = false
        this.wire.timeline.schedule(0, () => {
          this.drain(channel)
          this.grant(channel)
        })
      },
      stop: (code) => {
        if (this.closed !== undefined || !this.receiving.delete(channel)) return
        this.forget(channel)
        this.grant(channel)
        this.send(0, (peer) => {
          channel.announce()
          peer.fail(channel, new StreamStopped({ code }))
        })
      }
    }
  }

  /** Sends what the windows allow, highest priority first. */
  private pump() {
    // `done` may write again; the running loop sends that too.
    if (this.pumping) return
    this.pumping = true
    while (this.underway < window && this.closed === undefined) {
      let next: Channel | undefined
      for (const channel of this.blocked) {
        const { bytes, offset } = channel.queue[0]!
        if (!channel.begun && (this.opened >= this.openCredit || this.isHeld(channel))) continue
        const sendable = offset === bytes.length || channel.sent < channel.credit
        if (sendable && (next === undefined || channel.priority > next.priority)) next = channel
      }
      if (next === undefined) break
      this.sendChunk(next, next.queue[0]!)
    }
    this.pumping = false
  }

  /** Whether the stream waits for the peer to read. */
  private isHeld(channel: Channel): boolean {
    return !channel.bidirectional && this.unreadWeight >= mostUnreadWeight
  }

  private sendChunk(channel: Channel, write: Write) {
    // The caller has transferred the buffer elsewhere, so its bytes are gone: the stream must not look complete.
    if (write.content === undefined && write.bytes.length !== write.length) return this.reset(channel, 0)
    let weight: number | undefined
    if (write.content !== undefined && write.bytes === nothing) {
      const content = write.content((mostUnreadWeight - this.unreadWeight) * unreadShare)
      write.bytes = content.bytes
      weight = content.weight
    }
    const size = Math.min(packetSize, write.bytes.length - write.offset, channel.credit - channel.sent)
    if (!channel.begun) {
      channel.begun = true
      this.opened += 1
      if (!channel.bidirectional) this.unreadWeight += channel.weight = Math.min(weight ?? write.bytes.length, window)
    }
    const chunk = new Uint8Array(write.bytes.subarray(write.offset, write.offset + size))
    write.offset += size
    channel.sent += size
    this.underway += size
    const last = write.offset === write.bytes.length
    const fin = last && write.fin
    if (fin) channel.onAcknowledged = write.done
    if (size > 0 || fin) {
      this.expectAnswer()
      this.send(size, (peer) => {
        channel.announce()
        peer.take(channel, chunk, fin)
        const allow = peer.allowance(channel)
        peer.send(0, () => {
          this.underway -= size
          if (fin && this.sending.delete(channel)) channel.onAcknowledged!()
          allow(this)
        })
      })
    }
    if (!last) return
    channel.queue.shift()
    if (channel.queue.length === 0) this.blocked.delete(channel)
    if (!fin) write.done()
  }

  private take(channel: Channel, chunk: Uint8Array, fin: boolean) {
    if (!this.receiving.has(channel)) return
    if (chunk.length > 0) channel.chunks.push(chunk)
    this.waits(chunk.length)
    channel.finished = fin
    this.drain(channel)
    if (this.port.unread > this.port.options.unreadBuffer) closeLargest(this.port)
  }

  /** Adds to the number of unread bytes, which are not counted on a closed connection. */
  private waits(change: number) {
    const unread = this.closed === undefined ? this.unread + change : 0
    this.port.unread += unread - this.unread
    this.unread = unread
  }

  private drain(channel: Channel) {
    while (!channel.paused && channel.chunks.length > 0 && this.receiving.has(channel)) {
      const demand = channel.events!.demand?.() ?? Infinity
      if (demand <= 0) {
        channel.paused = true
        return
      }
      const { taken } = channel
      channel.offer(demand)
      this.waits(taken - channel.taken)
      // The fin came with the last bytes: the end is reported without another demand.
      if (channel.finished && channel.chunks.length === 0) return this.end(channel)
    }
    if (!channel.paused && channel.finished) this.end(channel)
  }

  private end(channel: Channel, failure?: StreamFailure) {
    if (!this.receiving.delete(channel)) return
    this.forget(channel)
    channel.events!.onEnd(failure)
  }

  private forget(channel: Channel) {
    for (const chunk of channel.chunks) this.waits(-chunk.length)
    channel.chunks = []
    this.closedStreams += 1
  }

  /** A packet that tells the sender how much has been read. */
  private allowance(channel: Channel): (peer: MemoryConnection) => void {
    const { closedStreams } = this
    const { taken } = channel
    const read = !this.receiving.has(channel)
    return (peer) => {
      if (read) {
        peer.unreadWeight -= channel.weight
        channel.weight = 0
      }
      channel.credit = Math.max(channel.credit, taken + window)
      peer.openCredit = Math.max(peer.openCredit, closedStreams + streamCredit)
      peer.pump()
    }
  }

  private grant(channel: Channel) {
    this.send(0, this.allowance(channel))
  }

  private fail(channel: Channel, failure: StreamFailure) {
    if (!this.sending.delete(channel)) return
    channel.failure = failure
    this.blocked.delete(channel)
    const writes = channel.queue
    channel.queue = []
    channel.onAcknowledged?.(failure)
    for (const write of writes) write.done(failure)
  }

  /** Whether a dial has arrived where a socket accepts or refuses it. */
  private wouldAnswer(port: MemoryPort | undefined) {
    return port !== undefined || this.wire.conditions.isRefused(this.link.to)
  }

  private receive(source: Place, size: number, deliver: (peer: MemoryConnection) => void) {
    if (this.closed !== undefined) return
    this.heardAt = this.wire.timeline.now()
    this.packetsReceived++
    this.bytesReceived += size
    this.unansweredSince = undefined
    this.told = false
    if (source.key !== this.link.to.key) {
      this.link.to = source
      this.events?.onMoved?.()
    }
    deliver(this)
  }

  /** Notes that a packet is about to be sent that the peer answers at once. */
  private expectAnswer() {
    // A peer that is already silent matters as soon as something waits for its answer.
    if (this.suspectedAfter === this.packetsReceived) this.wire.timeline.schedule(0, this.tell)
    this.unansweredSince ??= this.wire.timeline.now()
    if (!this.watching) this.watchFor(this.patience)
  }

  private get patience() {
    return Math.max(leastSilence, silentRoundTrips * Duration.toMillis(this.stats().roundTripTime))
  }

  private watchFor(delay: number) {
    this.watching = true
    this.wire.timeline.schedule(delay, () => {
      this.watching = false
      if (this.unansweredSince === undefined || this.ended) return
      const left = this.unansweredSince + this.patience - this.wire.timeline.now()
      if (left > 0) return this.watchFor(left)
      this.suspectedAfter = this.packetsReceived
      this.tell()
    })
  }

  private readonly tell = () => {
    if (this.told || !this.isUnresponsive) return
    this.told = true
    this.events?.onUnresponsive?.()
  }

  /** Whether an answer is due: something is to be sent or acknowledged, or an answer has yet to arrive. */
  private isAwaited() {
    if (this.blocked.size > 0) return true
    for (const channel of this.sending) if (channel.sent > 0) return true
    for (const channel of this.receiving) if (channel.asked?.begun === true) return true
    return false
  }

  /** Sends a packet that the peer answers. */
  private probe() {
    if (this.isAwaited()) this.expectAnswer()
    this.send(0, (peer) => peer.send(0, () => {}))
  }

  /**
   * The time of the next keep-alive packet, which many connections share. The dialler sends one interval before the
   * acceptor, which then has heard the dialler and need not send.
   */
  private pingAfter(time: number) {
    const ping = Math.floor((time + this.keepAlive) / this.beat) * this.beat
    return this.dialled || ping + 2 * this.beat > time + this.timeout ? ping : ping + this.beat
  }

  private readonly tick = () => {
    const { timeline } = this.wire
    const now = timeline.now()
    const deadline = this.heardAt + this.timeout
    if (now >= deadline) return this.finish(this.events === undefined ? unanswered : new IdleTimedOut())
    let ping = this.pingAfter(this.heardAt)
    if (this.events === undefined) ping = deadline
    else if (now >= ping) {
      ping = this.pingAfter(now)
      this.probe()
    }
    this.cancelTimer = timeline.schedule(Math.min(deadline, ping) - now, this.tick)
  }
}
