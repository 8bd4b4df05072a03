/** Connections and their streams. */
import { ApplicationClosed, type Close, IdleTimedOut, LocallyClosed, TransportClosed } from "@qp2p/core/Close"
import { type ConnectionError, ConnectionTimedOut } from "@qp2p/core/ConnectionError"
import { StreamGone, StreamStopped } from "@qp2p/core/StreamError"
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

/** Streams that one side may have open at once, until the other has read them to their ends. */
const streamCredit = 1_024

/** What a peer may have of messages and not have read, in the weight that they say: as over QUIC. */
const mostUnreadWeight = 8 << 20

/** The share of what is left of that for one stream. */
const unreadShare = 1 / 128

/** How long a connection in doubt may take to show a sign of life, in milliseconds. */
const lifeSign = 3_000

/** Connections are kept alive at multiples of this, in milliseconds, so that hours of it do not take a test long. */
const longestBeat = 5_000

/** Of an idle timeout, how often a connection is kept alive at least. */
const keepAliveShare = 1 / 3

/** How long a peer may not answer, in milliseconds and in round trips, until it is told to be unresponsive. */
const leastSilence = 750
const silentRoundTrips = 3

/** Payload of a packet: what every QUIC path carries (RFC 9000, section 14). */
const packetSize = 1200

const nothing = new Uint8Array(0)

/** The end of a half-open connection, which nobody is told; what its owner hears is another error. */
const unanswered = new IdleTimedOut()

/** Too much waits to be read: the connection with the most is given up, and the others go on. */
const closeLargest = (port: MemoryPort) => {
  let largest: MemoryConnection | undefined
  for (const connection of port.connections) {
    if (connection.unread > (largest?.unread ?? 0)) largest = connection
  }
  largest?.close(3, "the application does not keep up")
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
  /** When the first packet was sent that the peer has not answered, with anything. */
  private unansweredSince: number | undefined
  private watching = false
  /** What had been received when the peer came to be suspected, and whether its owner knows. */
  private suspectedAfter: number | undefined
  private told = false
  /** Streams opened, and how far the peer lets that go. */
  private opened = 0
  private openCredit = streamCredit
  /** Bytes that wait to be read. */
  unread = 0
  /** What the peer has not read of the unidirectional streams. */
  private unreadWeight = 0
  /** Streams of the peer's that this side has read to their ends. */
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
    /** Whoever dials is told of a failure; an acceptor cannot fail. */
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
      () => this.finish(new TransportClosed({ code: 1, reason: "killed" }))
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

  /** Ends this end without a word to the peer. A half-open one reports `error`. */
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

  readonly close = (code: number, reason: string) => {
    if (this.closed !== undefined) return
    const local = (this.closed = new LocallyClosed())
    this.waits(0)
    const notice = (peer: MemoryConnection) => peer.finish(new ApplicationClosed({ code, reason }))
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
    // Whoever has seen that it is not so is told anew.
    if (!is) this.told = false
    return is
  }

  readonly timeOut = () => {
    if (this.closed !== undefined) return
    const silence = (this.closed = new IdleTimedOut())
    const notice = (peer: MemoryConnection) => peer.finish(new TransportClosed({ code: 0, reason: "no sign of life" }))
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
      if (channel.finQueued) return write.done(new StreamGone())
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
    const failure = (channel.failure = new StreamGone())
    this.blocked.delete(channel)
    this.wire.timeline.schedule(0, () => this.fail(channel, failure))
    this.send(0, (peer) => {
      channel.announce()
      if (!channel.finished) peer.end(channel, new StreamStopped({ code }))
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

  /** Sends what the windows let through, the highest priority first. */
  private pump() {
    // `done` may write again: the loop that called it goes on with that.
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

  /** Whether it waits for the peer to read what it has. */
  private isHeld(channel: Channel): boolean {
    return !channel.bidirectional && this.unreadWeight >= mostUnreadWeight
  }

  private sendChunk(channel: Channel, write: Write) {
    // Whoever wrote it has transferred its bytes to somewhere else: what has left must not look whole.
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

  /** So many bytes more, or fewer, wait to be read. On a connection that is over, none do. */
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
      // The fin came with the last bytes: the owner need not resume to hear of it.
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

  /** What has been read, for the sender to go on by. */
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

  /** Whether a dial has come to where somebody takes it, or says no. */
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

  /** Something is about to be sent that the peer answers at once. */
  private expectAnswer() {
    // What is sent to a peer that is silent already matters when somebody waits for it.
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

  /** Whether somebody would miss the peer: something is to be sent or acknowledged, or an answer to come. */
  private isAwaited() {
    if (this.blocked.size > 0) return true
    for (const channel of this.sending) if (channel.sent > 0) return true
    for (const channel of this.receiving) if (channel.asked?.begun === true) return true
    return false
  }

  /** A packet that the peer answers. */
  private probe() {
    if (this.isAwaited()) this.expectAnswer()
    this.send(0, (peer) => peer.send(0, () => {}))
  }

  /**
   * When to ask for a sign of life: at times that many connections have in common. The dialler comes a beat before the
   * acceptor, for whom that is a sign of life already.
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
