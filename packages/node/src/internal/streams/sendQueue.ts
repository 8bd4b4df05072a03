/**
 * Decides which stream of a connection writes next.
 *
 * Higher priorities go first. Within one, short streams and long ones alternate, so that neither starves; a long one that
 * has begun goes on before another begins, which keeps few messages half-sent at the receiver. The binding's own
 * priorities are no substitute: a long write takes all it offers, and an urgent one then waits behind it.
 */
import { Fifo } from "@qp2p/core/Fifo"
import { sendQuantum } from "../tunables/streams.ts"

/** What the queue needs of a stream. */
export interface QueuedStream {
  /** Undefined until the stream is opened. */
  readonly id: number | undefined
  /** Higher first. Changes only through `reprioritize` while the stream is queued. */
  priority: number
  /** Bytes that it has to write. */
  readonly pending: number
}

interface Level<S> {
  readonly priority: number
  /** Streams that have an id. */
  readonly begun: Fifo<S>
  /** Streams that have none yet, apart by what they have to write. */
  readonly short: Fifo<S>
  readonly long: Fifo<S>
  /** Whether a short stream goes before one that has begun. */
  shortNext: boolean
}

/** Tells whether another long stream of a priority may begin. */
export interface LongStreamLimit {
  readonly mayBegin: (priority: number) => boolean
}

const unlimited: LongStreamLimit = { mayBegin: () => true }

/** A queue of streams by priority, each level with separate queues for begun, short and long streams. */
export class SendQueue<S extends QueuedStream> {
  /** Highest priority first; a level exists only while it has streams. */
  private readonly levels: Array<Level<S>> = []
  private count = 0

  /** How many streams are queued. */
  get size(): number {
    return this.count
  }

  push(stream: S): void {
    const level = this.level(stream.priority)
    fifoFor(level, stream).push(stream)
    this.count += 1
  }

  /** Puts a stream that was taken back at the head. */
  putBack(stream: S): void {
    const level = this.level(stream.priority)
    fifoFor(level, stream).unshift(stream)
    this.count += 1
  }

  /** The stream that writes next: one that has an id unless `mayOpen`, and no long one that has none unless the limit lets it. */
  take(mayOpen: boolean, limit: LongStreamLimit = unlimited): S | undefined {
    for (const level of this.levels) {
      const { begun, long, short } = level
      let stream: S | undefined
      if (mayOpen && level.shortNext) stream = nextShort(level)
      stream ??= begun.shift()
      if (mayOpen && stream === undefined) {
        // The short ones are asked first: some of them may have grown.
        const other = long.length === 0 ? nextShort(level) : undefined
        stream = other ?? (limit.mayBegin(level.priority) ? long.shift() : undefined) ?? nextShort(level)
      }
      if (stream === undefined) continue
      level.shortNext = !level.shortNext
      this.count -= 1
      if (begun.length === 0 && short.length === 0 && long.length === 0)
        this.levels.splice(this.levels.indexOf(level), 1)
      return stream
    }
    return undefined
  }

  /** How many queued streams have no id. */
  get unopened(): number {
    let count = 0
    for (const { long, short } of this.levels) count += long.length + short.length
    return count
  }

  /** False if the stream was not queued. */
  remove(stream: S): boolean {
    for (let i = 0; i < this.levels.length; i++) {
      const level = this.levels[i]!
      if (!level.begun.remove(stream) && !level.short.remove(stream) && !level.long.remove(stream)) continue
      this.count -= 1
      if (level.begun.length === 0 && level.short.length === 0 && level.long.length === 0) this.levels.splice(i, 1)
      return true
    }
    return false
  }

  /** Changes the priority of a stream, and moves it if it is queued. */
  reprioritize(stream: S, priority: number): void {
    const isQueued = this.remove(stream)
    stream.priority = priority
    if (isQueued) this.push(stream)
  }

  /** Empties the queue and returns what was in it. */
  drain(): Array<S> {
    const streams: Array<S> = []
    for (let stream = this.take(true); stream !== undefined; stream = this.take(true)) streams.push(stream)
    return streams
  }

  private level(priority: number): Level<S> {
    let i = 0
    for (; i < this.levels.length; i++) {
      const level = this.levels[i]!
      if (level.priority === priority) return level
      if (level.priority < priority) break
    }
    const level: Level<S> = { priority, begun: new Fifo(), short: new Fifo(), long: new Fifo(), shortNext: true }
    this.levels.splice(i, 0, level)
    return level
  }
}

const fifoFor = <S extends QueuedStream>(level: Level<S>, stream: S): Fifo<S> =>
  stream.id !== undefined ? level.begun : stream.pending > sendQuantum ? level.long : level.short

/** A stream may have become a long one since it was queued: its header is written first. */
const nextShort = <S extends QueuedStream>({ long, short }: Level<S>): S | undefined => {
  for (let stream = short.shift(); stream !== undefined; stream = short.shift()) {
    if (stream.pending <= sendQuantum) return stream
    long.push(stream)
  }
  return undefined
}
