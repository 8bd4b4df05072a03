/** The streams that one end of a memory connection reads: demand, unread bytes and credit for the peer. */
import * as ErrorCode from "@qp2p/core/ErrorCode"
import type { Close } from "@qp2p/core/Close"
import { StreamStopped } from "@qp2p/core/StreamError"
import type { BackingRecvStream, StreamFailure } from "@qp2p/core/Transport"
import type { Timeline } from "../network/timeline.ts"
import { type Allowance, type Channel, window } from "./channel.ts"
import type { MemoryPort, PortConnection } from "./port.ts"

/** The peer's end of the connection, as a packet finds it. */
interface FarEnd {
  readonly sending: {
    /** Ends a stream that its reader has stopped. */
    stopped(channel: Channel, stop: StreamStopped): void
    /** Tells how much has been read. */
    allow(channel: Channel, allowance: Allowance): void
  }
}

/** What the receiving side needs of its connection. */
export interface ReceivingHost {
  readonly timeline: Timeline
  readonly port: MemoryPort
  /** The connection itself, as its socket knows it. */
  readonly connection: PortConnection
  /** How the connection ended, if it has. */
  readonly closed: Close | undefined
  /** Sends a packet; it is dropped if the peer's end is closed when it arrives. */
  send(size: number, deliver: (peer: FarEnd) => void): void
}

/** The share of `unreadBuffer` above which the connection with the most unread bytes is held back. */
const holdBackAbove = 0.75

const isNearLimit = ({ options, unread }: MemoryPort) => unread > holdBackAbove * options.unreadBuffer

/**
 * Holds back the connection with the most unread bytes, because the socket's buffer is nearly full; the next time the one
 * with the next most. Once all are held back and the buffer is full, closes the one with the most.
 */
const restrain = (port: MemoryPort) => {
  let largest: PortConnection | undefined
  let next: PortConnection | undefined
  for (const connection of port.connections) {
    if (connection.unread > (largest?.unread ?? 0)) largest = connection
    if (connection.unread > (next?.unread ?? 0) && !port.heldBack.has(connection)) next = connection
  }
  if (next !== undefined) port.heldBack.add(next)
  // Each had one window under way when it was held back.
  else if (port.unread > port.options.unreadBuffer + port.connections.size * window) {
    largest?.close(ErrorCode.overloaded, "the application does not keep up")
  }
}

/** Delivers arrived bytes to the streams of one end, and returns credit to the writer when its peer reads. */
export class Receiving {
  /** The bytes that wait to be read. */
  unread = 0
  private readonly host: ReceivingHost
  /** What waits until the connection is not held back any more. */
  private waiting: Array<() => void> = []
  private readonly open = new Set<Channel>()
  /** The number of the peer's streams that this side has read to their ends. */
  private closedStreams = 0

  constructor(host: ReceivingHost) {
    this.host = host
  }

  /** Whether an answer has yet to arrive. */
  get isAwaited() {
    for (const channel of this.open) if (channel.asked?.begun === true) return true
    return false
  }

  add(channel: Channel) {
    this.open.add(channel)
  }

  stream(channel: Channel): BackingRecvStream {
    const { host } = this
    return {
      resume: () => {
        if (!channel.paused) return
        channel.paused = false
        host.timeline.schedule(0, () => {
          this.drain(channel)
          this.grant(channel)
        })
      },
      stop: (code) => {
        if (host.closed !== undefined || !this.open.delete(channel)) return
        this.forget(channel)
        this.grant(channel)
        host.send(0, (peer) => {
          channel.announce()
          peer.sending.stopped(channel, new StreamStopped({ code }))
        })
      }
    }
  }

  take(channel: Channel, chunk: Uint8Array, fin: boolean) {
    if (!this.open.has(channel)) return
    const { port } = this.host
    if (chunk.length > 0) channel.chunks.push(chunk)
    this.addUnread(chunk.length)
    channel.finished = fin
    this.drain(channel)
    if (isNearLimit(port)) restrain(port)
  }

  /** Calls `next` as soon as the connection is not held back. */
  whenRoom(next: () => void) {
    if (this.isHeldBack) this.waiting.push(next)
    else next()
  }

  get isHeldBack() {
    return this.host.port.heldBack.has(this.host.connection)
  }

  goOn() {
    const { host, waiting } = this
    if (isNearLimit(host.port) && this.unread > 0) return
    host.port.heldBack.delete(host.connection)
    this.waiting = []
    for (const next of waiting) host.timeline.schedule(0, next)
  }

  /** Adds to the bytes that the owner keeps in part. */
  charge(change: number) {
    this.addUnread(change)
    if (change > 0 && isNearLimit(this.host.port)) restrain(this.host.port)
  }

  end(channel: Channel, failure?: StreamFailure) {
    if (!this.open.delete(channel)) return
    this.forget(channel)
    channel.events!.onEnd(failure)
  }

  allowance(channel: Channel): Allowance {
    return { closedStreams: this.closedStreams, taken: channel.taken, read: !this.open.has(channel) }
  }

  /** The connection is closed: its unread bytes no longer count. */
  release() {
    this.addUnread(0)
  }

  /** Offers everything that has arrived, unless this side closed, and ends every stream. */
  endAll(close: Close) {
    const channels = [...this.open]
    this.open.clear()
    for (const channel of channels) {
      while (channel.chunks.length > 0 && close._tag !== "LocallyClosed") channel.offer(Infinity)
      channel.events!.onEnd(channel.finished && channel.chunks.length === 0 ? undefined : close)
    }
  }

  /** Adds to the number of unread bytes, which are not counted on a closed connection. */
  private addUnread(change: number) {
    const { closed, port } = this.host
    const unread = closed === undefined ? this.unread + change : 0
    const before = this.unread
    port.unread += unread - before
    this.unread = unread
    if (unread < before) for (const connection of port.heldBack) connection.goOn()
  }

  private drain(channel: Channel) {
    while (!channel.paused && channel.chunks.length > 0 && this.open.has(channel)) {
      const demand = channel.events!.demand?.() ?? Infinity
      if (demand <= 0) {
        channel.paused = true
        return
      }
      const { taken } = channel
      channel.offer(demand)
      this.addUnread(taken - channel.taken)
      // The fin came with the last bytes: the end is reported without another demand.
      if (channel.finished && channel.chunks.length === 0) return this.end(channel)
    }
    if (!channel.paused && channel.finished) this.end(channel)
  }

  private forget(channel: Channel) {
    for (const chunk of channel.chunks) this.addUnread(-chunk.length)
    channel.chunks = []
    this.closedStreams += 1
  }

  private grant(channel: Channel) {
    const allowance = this.allowance(channel)
    this.host.send(0, (peer) => peer.sending.allow(channel, allowance))
  }
}
