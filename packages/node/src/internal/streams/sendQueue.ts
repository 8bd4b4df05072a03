/**
 * Which stream of a connection writes next.
 *
 * Higher priorities go first. Within one, short writes and long ones alternate, so that neither starves; a long one that
 * has begun goes on before another begins, which keeps few messages half-sent at the receiver. The binding's own
 * priorities are no substitute: a long write takes all it offers, and an urgent one then waits behind it.
 */
import { Fifo } from "@qp2p/core/Fifo"
import type { SendStream } from "./sendStream.ts"
import { sendQuantum } from "../tunables.ts"

interface Level {
  readonly priority: number
  /** Streams that have an id. */
  readonly begun: Fifo<SendStream>
  /** Streams that have none yet, apart by what they have to write. */
  readonly short: Fifo<SendStream>
  readonly long: Fifo<SendStream>
  /** Whose turn it is. */
  shortNext: boolean
}

export class SendQueue {
  /** Highest priority first; a level exists only while it holds something. */
  private readonly levels: Array<Level> = []
  size = 0

  push(stream: SendStream): void {
    const level = this.level(stream.priority)
    fifoFor(level, stream).push(stream)
    this.size += 1
  }

  /** Puts back a stream whose turn it still is. */
  putBack(stream: SendStream): void {
    const level = this.level(stream.priority)
    fifoFor(level, stream).unshift(stream)
    this.size += 1
  }

  /** The stream that writes next: one that has an id unless `mayOpen`, and no long one that has none unless `mayBegin`. */
  take(mayOpen: boolean, mayBegin: (priority: number) => boolean): SendStream | undefined {
    for (const level of this.levels) {
      const { begun, long, short } = level
      let stream: SendStream | undefined
      if (mayOpen && level.shortNext) stream = nextShort(level)
      stream ??= begun.shift()
      if (mayOpen && stream === undefined) {
        // The short ones are asked first: some of them may have grown.
        const other = long.length === 0 ? nextShort(level) : undefined
        stream = other ?? (mayBegin(level.priority) ? long.shift() : undefined) ?? nextShort(level)
      }
      if (stream === undefined) continue
      level.shortNext = !level.shortNext
      this.size -= 1
      if (begun.length === 0 && short.length === 0 && long.length === 0)
        this.levels.splice(this.levels.indexOf(level), 1)
      return stream
    }
    return undefined
  }

  /** How many streams without an id wait for their turn. */
  get unopened(): number {
    let count = 0
    for (const { long, short } of this.levels) count += long.length + short.length
    return count
  }

  remove(stream: SendStream): void {
    for (let i = 0; i < this.levels.length; i++) {
      const level = this.levels[i]!
      if (!level.begun.remove(stream) && !level.short.remove(stream) && !level.long.remove(stream)) continue
      this.size -= 1
      if (level.begun.length === 0 && level.short.length === 0 && level.long.length === 0) this.levels.splice(i, 1)
      return
    }
  }

  /** Empties the queue and yields what was in it. */
  drain(): Array<SendStream> {
    const streams: Array<SendStream> = []
    const always = () => true
    for (let stream = this.take(true, always); stream !== undefined; stream = this.take(true, always)) {
      streams.push(stream)
    }
    return streams
  }

  private level(priority: number): Level {
    let i = 0
    for (; i < this.levels.length; i++) {
      const level = this.levels[i]!
      if (level.priority === priority) return level
      if (level.priority < priority) break
    }
    const level = {
      priority,
      begun: new Fifo<SendStream>(),
      short: new Fifo<SendStream>(),
      long: new Fifo<SendStream>(),
      shortNext: true
    }
    this.levels.splice(i, 0, level)
    return level
  }
}

const fifoFor = (level: Level, stream: SendStream): Fifo<SendStream> =>
  stream.id !== undefined ? level.begun : stream.pending > sendQuantum ? level.long : level.short

/** A stream may have become a long one since it was filed: its header is written first. */
const nextShort = ({ long, short }: Level): SendStream | undefined => {
  for (let stream = short.shift(); stream !== undefined; stream = short.shift()) {
    if (stream.pending <= sendQuantum) return stream
    long.push(stream)
  }
  return undefined
}
