/** One direction of a stream in memory. */
import type { StreamStopped } from "@qp2p/core/StreamError"
import type { RecvEvents, StreamContent, StreamFailure } from "@qp2p/core/Transport"

/** The flow control window of a stream and of a connection, in bytes. */
export const window = 256 * 1024

/** How many streams one side may have open until the other has read them to their ends. */
export const streamCredit = 1_024

/** What a receiver tells the sender of a stream. */
export interface Allowance {
  /** The number of the sender's streams that have been read to their ends. */
  readonly closedStreams: number
  /** The bytes of the stream that its reader has taken. */
  readonly taken: number
  /** Whether the stream has been read to its end. */
  readonly read: boolean
}

/** A queued write: its bytes, or the function that makes them, and the callbacks of its owner. */
export interface Write {
  bytes: Uint8Array
  /** Produces the bytes when the stream has its turn. */
  readonly content?: (most: number) => StreamContent
  readonly fin: boolean
  readonly done: (failure?: StreamFailure) => void
  offset: number
  /** The number of bytes when they were written. */
  readonly length: number
}

/**
 * One direction of a stream. Each side uses only its own fields; packets carry everything that the other side must
 * know.
 */
export class Channel {
  /** Reports the stream to the accepting side; every packet of the stream that arrives there calls it. */
  readonly announce: () => void

  readonly bidirectional: boolean
  priority: number
  /** The memory that the content says it keeps at the peer until it is read, in bytes. */
  weight = 0
  queue: Array<Write> = []
  sent = 0
  credit = window
  failure: StreamFailure | undefined
  finQueued = false
  /** How the reader has stopped it, and the listener for that. */
  stop: StreamStopped | undefined
  onStopped: ((stop: StreamStopped) => void) | undefined
  onAcknowledged: Write["done"] | undefined

  /** The direction of the request, when this direction carries its answer. */
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

  /** Passes a chunk to the owner, or as much of it as `demand` allows. The rest is kept. */
  offer(demand: number) {
    const first = this.chunks[0]!
    const chunk = demand < first.length ? first.slice(0, demand) : first
    if (chunk === first) this.chunks.shift()
    else this.chunks[0] = first.subarray(demand)
    this.taken += chunk.length
    this.paused = !this.events!.onData(chunk)
    // Overwrites the chunk, so that an owner who keeps it sees wrong bytes.
    chunk.fill(0xdd)
  }
}
