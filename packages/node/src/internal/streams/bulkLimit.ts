/**
 * Long messages under way, by priority. Too many at once would all be half there at the receiver, none of them whole.
 */
import type { SendStream } from "./sendStream.ts"
import { maxLongBytes, maxLongStreams, sendQuantum } from "../tunables.ts"

export class LongMessages {
  private readonly underWay = new Map<number, { streams: number; bytes: number }>()

  /** Whether another may begin. */
  readonly mayBegin = (priority: number): boolean => {
    const same = this.underWay.get(priority)
    return same === undefined || (same.streams < maxLongStreams && same.bytes < maxLongBytes)
  }

  begin(stream: SendStream): void {
    // What goes on a bidirectional stream is read by somebody else than the other messages, or not at all.
    if (stream.bidirectional || stream.pending <= sendQuantum) return
    const { pending: bytes, priority } = stream
    stream.long = { priority, bytes }
    const same = this.underWay.get(priority)
    if (same === undefined) this.underWay.set(priority, { streams: 1, bytes })
    else {
      same.streams += 1
      same.bytes += bytes
    }
  }

  end(stream: SendStream): void {
    if (stream.long === undefined) return
    const { bytes, priority } = stream.long
    stream.long = undefined
    const same = this.underWay.get(priority)!
    same.streams -= 1
    same.bytes -= bytes
    if (same.streams === 0) this.underWay.delete(priority)
  }
}
