/** The streams that one end of a memory connection writes: queues, windows and priorities. */
import type { Close } from "@qp2p/core/Close"
import { StreamClosed, StreamReset, type StreamStopped } from "@qp2p/core/StreamError"
import type { BackingSendStream, StreamFailure } from "@qp2p/core/Transport"
import type { Timeline } from "../network/timeline.ts"
import { type Allowance, type Channel, streamCredit, window, type Write } from "./channel.ts"

/** The limit of `weight` that a peer may not have read, in bytes: as over QUIC. */
const mostUnreadWeight = 8 << 20

/** The share of the remaining limit that one stream may use. */
const unreadShare = 1 / 128

/** The payload of a packet in bytes: what every QUIC path carries (RFC 9000, section 14). */
const packetSize = 1200

const nothing = new Uint8Array(0)

/** The peer's end of the connection, as a packet finds it. */
interface FarEnd {
  readonly receiving: {
    /** Takes a chunk that has arrived. */
    take(channel: Channel, chunk: Uint8Array, fin: boolean): void
    /** Reports the end of a stream. */
    end(channel: Channel, failure?: StreamFailure): void
    /** How much has been read. */
    allowance(channel: Channel): Allowance
    /** Whether the connection is held back. */
    readonly isHeldBack: boolean
    /** Calls `next` as soon as it is not. */
    whenRoom(next: () => void): void
  }
  /** Sends a packet back. */
  send(size: number, deliver: () => void): void
}

/** What the sending side needs of its connection. */
export interface SendingHost {
  readonly timeline: Timeline
  /** How the connection ended, if it has. */
  readonly closed: Close | undefined
  /** Sends a packet; it is dropped if the peer's end is closed when it arrives. */
  send(size: number, deliver: (peer: FarEnd) => void): void
  /** Notes that a packet is about to be sent that the peer answers at once. */
  expectAnswer(): void
}

/** Queues the writes of one end, and sends those that the windows admit, higher priorities first. */
export class Sending {
  private readonly host: SendingHost
  private readonly open = new Set<Channel>()
  /** The streams that have something to send. */
  private readonly blocked = new Set<Channel>()
  private inFlight = 0
  /** The number of opened streams, and the limit that the peer grants. */
  private opened = 0
  private openCredit = streamCredit
  /** The weight of the unidirectional streams that the peer has not read. */
  private unreadWeight = 0
  private pumping = false

  constructor(host: SendingHost) {
    this.host = host
  }

  /** Whether something is to be sent or acknowledged. */
  get isAwaited() {
    if (this.blocked.size > 0) return true
    for (const channel of this.open) if (channel.sent > 0) return true
    return false
  }

  stream(channel: Channel): BackingSendStream {
    if (this.host.closed === undefined) this.open.add(channel)
    const enqueue = (write: Write) => {
      const failure = this.host.closed ?? channel.failure
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
      onStopped: (stopped) => {
        const { stop } = channel
        if (stop === undefined) channel.onStopped = stopped
        else this.host.timeline.schedule(0, () => stopped(stop))
      },
      setPriority: (priority) => {
        channel.priority = priority
      },
      reset: (code) => this.reset(channel, code)
    }
  }

  /** The peer has read, or gives more credit. */
  allow(channel: Channel, { closedStreams, read, taken }: Allowance) {
    if (read) {
      this.unreadWeight -= channel.weight
      channel.weight = 0
    }
    channel.credit = Math.max(channel.credit, taken + window)
    this.openCredit = Math.max(this.openCredit, closedStreams + streamCredit)
    this.pump()
  }

  /** Ends a stream, and fails its pending writes. */
  fail(channel: Channel, failure: StreamFailure) {
    if (!this.open.delete(channel)) return
    channel.failure = failure
    this.blocked.delete(channel)
    const writes = channel.queue
    channel.queue = []
    channel.onAcknowledged?.(failure)
    for (const write of writes) write.done(failure)
  }

  /** The peer's reader has stopped a stream. */
  stopped(channel: Channel, stop: StreamStopped) {
    if (!this.open.has(channel)) return
    channel.stop = stop
    this.fail(channel, stop)
    channel.onStopped?.(stop)
  }

  failAll(failure: StreamFailure) {
    for (const channel of this.open) this.fail(channel, failure)
  }

  private reset(channel: Channel, code: number) {
    if (this.host.closed !== undefined || !this.open.has(channel)) return
    const failure = (channel.failure = new StreamClosed())
    this.blocked.delete(channel)
    this.host.timeline.schedule(0, () => this.fail(channel, failure))
    this.host.send(0, (peer) => {
      channel.announce()
      if (!channel.finished) peer.receiving.end(channel, new StreamReset({ code }))
    })
  }

  /** Sends what the windows allow, highest priority first. */
  private pump() {
    // `done` may write again; the running loop sends that too.
    if (this.pumping) return
    this.pumping = true
    while (this.inFlight < window && this.host.closed === undefined) {
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
    this.inFlight += size
    const last = write.offset === write.bytes.length
    const fin = last && write.fin
    if (fin) channel.onAcknowledged = write.done
    if (size > 0 || fin) this.transmit(channel, chunk, fin)
    if (!last) return
    channel.queue.shift()
    if (channel.queue.length === 0) this.blocked.delete(channel)
    if (!fin) write.done()
  }

  private transmit(channel: Channel, chunk: Uint8Array, fin: boolean) {
    this.host.expectAnswer()
    this.host.send(chunk.length, (peer) => {
      const size = chunk.length
      channel.announce()
      peer.receiving.take(channel, chunk, fin)
      const acknowledge = () => {
        const allowance = peer.receiving.allowance(channel)
        peer.send(0, () => {
          this.inFlight -= size
          if (fin && this.open.delete(channel)) channel.onAcknowledged!()
          this.allow(channel, allowance)
        })
      }
      // The sender of a connection that is held back gets a sign of life, and no room.
      if (peer.receiving.isHeldBack) peer.send(0, () => {})
      peer.receiving.whenRoom(acknowledge)
    })
  }
}
