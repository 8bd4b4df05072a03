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
  /** Made with the first long stream. */
  private levels: Map<number, { streams: number; bytes: number }> | undefined = undefined
  /** What each long stream counts. */
  private shares: Map<BulkStream, Share> | undefined = undefined

  /** Whether another long stream of this priority may begin. */
  mayBegin(priority: number): boolean {
    const level = this.levels?.get(priority)
    return level === undefined || (level.streams < maxBulkStreams && level.bytes < maxBulkBytes)
  }

  /** The stream begins to send. Counts it if it is long. */
  begin(stream: BulkStream): void {
    // A bidirectional stream has a reader of its own, or none.
    if (stream.bidirectional || stream.pending <= sendQuantum) return
    const { pending: bytes, priority } = stream
    const levels = (this.levels ??= new Map())
    ;(this.shares ??= new Map()).set(stream, { priority, bytes })
    const level = levels.get(priority)
    if (level === undefined) levels.set(priority, { streams: 1, bytes })
    else {
      level.streams += 1
      level.bytes += bytes
    }
  }

  /** The stream is over. */
  end(stream: BulkStream): void {
    const { levels, shares } = this
    const share = shares?.get(stream)
    if (levels === undefined || share === undefined) return
    shares!.delete(stream)
    const level = levels.get(share.priority)!
    level.streams -= 1
    level.bytes -= share.bytes
    if (level.streams === 0) levels.delete(share.priority)
  }

  /** Every stream is over. */
  clear(): void {
    this.levels = this.shares = undefined
  }
}
