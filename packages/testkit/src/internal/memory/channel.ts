/** One direction of a stream. */
import type { RecvEvents, StreamContent, StreamFailure } from "@qp2p/core/Transport"

/** Bytes that a stream may be ahead of its reader, and that a connection may have under way. */
export const window = 256 * 1024

export interface Write {
  bytes: Uint8Array
  /** Yields the bytes when the stream has its turn. */
  readonly content?: (most: number) => StreamContent
  readonly fin: boolean
  readonly done: (failure?: StreamFailure) => void
  offset: number
  /** Bytes when they were written. */
  readonly length: number
}

/** One direction of a stream. Each side keeps to its own fields; what the other must know travels in packets. */
export class Channel {
  /** Tells the accepting side of the stream; every packet of the stream that arrives there does. */
  readonly announce: () => void

  readonly bidirectional: boolean
  priority: number
  /** What the peer keeps of it until it has read it. */
  weight = 0
  queue: Array<Write> = []
  sent = 0
  credit = window
  failure: StreamFailure | undefined
  finQueued = false
  onAcknowledged: Write["done"] | undefined

  /** The other direction, when this one carries its answer. */
  asked: Channel | undefined
  events: RecvEvents | undefined
  begun = false
  chunks: Array<Uint8Array> = []
  taken = 0
  paused = false
  finished = false

  constructor(priority: number, bidirectional: boolean, announce: () => void) {
    this.priority = priority
    this.bidirectional = bidirectional
    this.announce = announce
  }

  /** Hands over a chunk, or a part of it; what the owner does not want waits. */
  offer(demand: number) {
    const first = this.chunks[0]!
    const chunk = demand < first.length ? first.slice(0, demand) : first
    if (chunk === first) this.chunks.shift()
    else this.chunks[0] = first.subarray(demand)
    this.taken += chunk.length
    this.paused = !this.events!.onData(chunk)
    // Whoever keeps a chunk must not get away with it.
    chunk.fill(0xdd)
  }
}
