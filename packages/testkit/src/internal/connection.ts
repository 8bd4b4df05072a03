/**
 * Connections and their streams.
 *
 * @since 0.1.0
 */
import { ApplicationClosed, type Close, IdleTimedOut, LocallyClosed, TransportClosed } from "@qp2p/core/Close"
import { type ConnectionError, ConnectionTimedOut } from "@qp2p/core/ConnectionError"
import { StreamGone, StreamStopped } from "@qp2p/core/StreamError"
import type {
  BackingConnection,
  BackingRecvStream,
  BackingSendStream,
  BindOptions,
  ConnectionEvents,
  ConnectionStats,
  RecvEvents,
  StreamFailure
} from "@qp2p/core/Transport"
import * as Duration from "effect/Duration"
import type * as NetAddress from "effect/net/NetAddress"
import { Channel, window, type Write } from "./channel.ts"
import { Link, type Wire } from "./wire.ts"

/** Bytes that all streams of a connection together may be ahead of their readers. */
const connectionWindow = 1024 * 1024

/** Streams that one side may have open at once, until the other has read them to their ends. */
const streamCredit = 1_000

/** How long a connection in doubt may take to show a sign of life, in milliseconds. */
const lifeSign = 3_000

/** Payload of a packet: what every QUIC path carries (RFC 9000, section 14). */
const packetSize = 1200

/** The socket that a connection belongs to; `address` is the one its peers see. */
export interface Owner {
  readonly wire: Wire
  readonly options: BindOptions
  readonly address: NetAddress.InetAddress
  readonly connections: Set<MemoryConnection>
}

/** One end of a connection, half-open until `establish`. */
export class MemoryConnection implements BackingConnection {
  readonly remoteAddress: NetAddress.InetAddress
  readonly owner: Owner
  readonly link: Link
  readonly seniority: string
  peer: MemoryConnection | undefined
  private readonly onFailed: (error: ConnectionError) => void
  private readonly keepAlive: number
  private timeout: number
  private events: ConnectionEvents | undefined
  private closed: Close | undefined
  private ended = false
  private heardAt: number
  private cancelTimer = () => {}
  private packetsReceived = 0
  private bytesReceived = 0
  private underway = 0
  /** Bytes sent in all, and how far the peer lets them go; likewise streams opened. */
  private sentInAll = 0
  private creditInAll = connectionWindow
  private opened = 0
  private openCredit = streamCredit
  /** What this side has read of the peer's: bytes in all, and streams to their ends. */
  private readInAll = 0
  private closedStreams = 0
  private pumping = false
  private readonly sending = new Set<Channel>()
  private readonly blocked = new Set<Channel>()
  private readonly receiving = new Set<Channel>()

  constructor(
    owner: Owner,
    remote: NetAddress.InetAddress,
    seniority: string,
    onFailed: (error: ConnectionError) => void
  ) {
    this.owner = owner
    this.seniority = seniority
    this.remoteAddress = remote
    this.onFailed = onFailed
    this.keepAlive = Duration.toMillis(owner.options.keepAliveInterval)
    this.timeout = Duration.toMillis(owner.options.handshakeTimeout)
    this.heardAt = owner.wire.timeline.now()
    this.link = new Link(owner.wire, owner.address, remote, () =>
      this.finish(new TransportClosed({ code: 1, reason: "killed" }))
    )
    owner.connections.add(this)
    this.tick()
  }

  establish(events: ConnectionEvents) {
    this.events = events
    if (this.ended) return events.onClosed(this.closed!)
    const { options } = this.peer!.owner
    this.timeout = Math.min(Duration.toMillis(this.owner.options.idleTimeout), Duration.toMillis(options.idleTimeout))
    this.cancelTimer()
    this.tick()
  }

  /** Sends a packet. It is dropped if the peer's end is closed when it arrives. */
  send(size: number, deliver: (peer: MemoryConnection) => void) {
    this.link.send(size, () => this.peer?.receive(size, deliver))
  }

  /** Ends this end without a word to the peer. A half-open one reports `error`. */
  finish(close: Close, error?: ConnectionError) {
    if (this.ended) return
    this.ended = true
    const reason = (this.closed ??= close)
    this.cancelTimer()
    this.link.close()
    this.owner.connections.delete(this)
    if (this.events === undefined) {
      return this.onFailed(error ?? new ConnectionTimedOut({ peer: this.remoteAddress }))
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
    const notice = (peer: MemoryConnection) => peer.finish(new ApplicationClosed({ code, reason }))
    this.link.close(() => this.peer?.receive(0, notice))
    this.owner.wire.timeline.schedule(0, () => this.finish(local))
  }

  readonly checkAlive = () => {
    const asked = this.packetsReceived
    this.probe()
    this.owner.wire.timeline.schedule(lifeSign, () => {
      if (this.packetsReceived === asked) this.finish(new IdleTimedOut())
    })
  }

  readonly stats = (): ConnectionStats => ({
    roundTripTime: Duration.millis(2 * this.owner.wire.latency),
    packetsSent: this.link.packets,
    packetsReceived: this.packetsReceived,
    packetsLost: this.link.lost,
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
    const out = new Channel(priority, announce)
    const back = events && new Channel(0, announce)
    if (back !== undefined && this.closed === undefined) {
      back.events = events
      this.receiving.add(back)
    }
    return { send: this.sender(out), back }
  }

  private sender(channel: Channel): BackingSendStream {
    if (this.closed === undefined) this.sending.add(channel)
    return {
      write: (bytes, fin, done) => {
        const failure = this.closed ?? channel.failure
        if (failure !== undefined) return done(failure)
        if (fin) channel.failure = new StreamGone()
        channel.queue.push({ bytes, fin, done, offset: 0 })
        this.blocked.add(channel)
        this.pump()
      },
      setPriority: (priority) => {
        channel.priority = priority
      },
      reset: (code) => {
        if (this.closed !== undefined || !this.sending.has(channel)) return
        const failure = (channel.failure = new StreamGone())
        this.blocked.delete(channel)
        this.owner.wire.timeline.schedule(0, () => this.fail(channel, failure))
        this.send(0, (peer) => {
          channel.announce()
          if (!channel.finished) peer.end(channel, new StreamStopped({ code }))
        })
      }
    }
  }

  private receiver(channel: Channel): BackingRecvStream {
    return {
      resume: () => {
        if (!channel.paused) return
        channel.paused = false
        this.owner.wire.timeline.schedule(0, () => {
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
        if (!channel.begun && this.opened >= this.openCredit) continue
        const sendable = offset === bytes.length || (channel.sent < channel.credit && this.sentInAll < this.creditInAll)
        if (sendable && (next === undefined || channel.priority > next.priority)) next = channel
      }
      if (next === undefined) break
      this.sendChunk(next, next.queue[0]!)
    }
    this.pumping = false
  }

  private sendChunk(channel: Channel, write: Write) {
    const size = Math.min(
      packetSize,
      write.bytes.length - write.offset,
      channel.credit - channel.sent,
      this.creditInAll - this.sentInAll
    )
    if (!channel.begun) {
      channel.begun = true
      this.opened += 1
    }
    this.sentInAll += size
    const chunk = new Uint8Array(write.bytes.subarray(write.offset, write.offset + size))
    write.offset += size
    channel.sent += size
    this.underway += size
    const last = write.offset === write.bytes.length
    const fin = last && write.fin
    if (fin) channel.onAcknowledged = write.done
    if (size > 0 || fin) {
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
    if (!this.receiving.has(channel)) {
      this.readInAll += chunk.length
      return
    }
    if (chunk.length > 0) channel.chunks.push(chunk)
    channel.finished = fin
    this.drain(channel)
  }

  private drain(channel: Channel) {
    while (!channel.paused && channel.chunks.length > 0 && this.receiving.has(channel)) {
      const demand = channel.events!.demand?.() ?? Infinity
      if (demand <= 0) {
        channel.paused = true
        return
      }
      this.readInAll += channel.offer(demand)
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

  /** Counts what nobody will read as read, so that it does not use up the connection's window. */
  private forget(channel: Channel) {
    for (const chunk of channel.chunks) this.readInAll += chunk.length
    channel.chunks = []
    this.closedStreams += 1
  }

  /** What has been read, for the sender to go on by. */
  private allowance(channel: Channel): (peer: MemoryConnection) => void {
    const { closedStreams, readInAll } = this
    const { taken } = channel
    return (peer) => {
      channel.credit = Math.max(channel.credit, taken + window)
      peer.creditInAll = Math.max(peer.creditInAll, readInAll + connectionWindow)
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

  private receive(size: number, deliver: (peer: MemoryConnection) => void) {
    if (this.closed !== undefined) return
    this.heardAt = this.owner.wire.timeline.now()
    this.packetsReceived++
    this.bytesReceived += size
    deliver(this)
  }

  /** A packet that the peer answers. */
  private probe() {
    this.send(0, (peer) => peer.send(0, () => {}))
  }

  private readonly tick = () => {
    const { timeline } = this.owner.wire
    const now = timeline.now()
    const deadline = this.heardAt + this.timeout
    if (now >= deadline) return this.finish(new IdleTimedOut())
    let ping = this.heardAt + this.keepAlive
    if (this.events === undefined) ping = deadline
    else if (now >= ping) {
      ping = now + this.keepAlive
      this.probe()
    }
    this.cancelTimer = timeline.schedule(Math.min(deadline, ping) - now, this.tick)
  }
}
