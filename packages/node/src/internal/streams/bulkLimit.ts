/**
 * Limits how many long unidirectional streams of a priority send at once. Too many would all be half received, and none
 * of them whole.
 */
import { maxBulkBytes, maxBulkStreams, sendQuantum } from "../tunables/streams.ts"

/** What the limit needs of a stream. */
export interface BulkStream {
  readonly bidirectional: boolean
  readonly priority: number
  /** Bytes that it has to write. */
  readonly pending: number
}

interface Share {
  readonly priority: number
  readonly bytes: number
}

/**
 * Counts the long unidirectional streams of each priority: up to `maxBulkStreams` with up to `maxBulkBytes` in all send at
 * once.
 */
export class BulkLimit {
  private readonly levels = new Map<number, { streams: number; bytes: number }>()
  /** What each long stream counts. */
  private readonly shares = new Map<BulkStream, Share>()

  /** Whether another long stream of this priority may begin. */
  readonly mayBegin = (priority: number): boolean => {
    const level = this.levels.get(priority)
    return level === undefined || (level.streams < maxBulkStreams && level.bytes < maxBulkBytes)
  }

  /** The stream begins to send. Counts it if it is long. */
  begin(stream: BulkStream): void {
    // A bidirectional stream has a reader of its own, or none.
    if (stream.bidirectional || stream.pending <= sendQuantum) return
    const { pending: bytes, priority } = stream
    this.shares.set(stream, { priority, bytes })
    const level = this.levels.get(priority)
    if (level === undefined) this.levels.set(priority, { streams: 1, bytes })
    else {
      level.streams += 1
      level.bytes += bytes
    }
  }

  /** The stream is over. */
  end(stream: BulkStream): void {
    if (this.shares.size === 0) return
    const share = this.shares.get(stream)
    if (share === undefined) return
    this.shares.delete(stream)
    const level = this.levels.get(share.priority)!
    level.streams -= 1
    level.bytes -= share.bytes
    if (level.streams === 0) this.levels.delete(share.priority)
  }

  /** Every stream is over. */
  clear(): void {
    this.levels.clear()
    this.shares.clear()
  }
}
