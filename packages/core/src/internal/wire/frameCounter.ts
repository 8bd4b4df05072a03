/**
 * Finds where the frames of a stream end, without keeping or decoding them.
 */
import * as header from "./header.ts"

export class FrameCounter {
  private readonly maxMessageSize: number
  private readonly head = new Uint8Array(header.length)
  private headUsed = 0
  /** Bytes of the body under way that have not come. */
  private missing = 0
  /** Bytes that have come of the frame under way. */
  private underWay = 0
  private isFramed = true

  constructor(maxMessageSize: number) {
    this.maxMessageSize = maxMessageSize
  }

  /**
   * How many bytes belong to frames that `chunk` completes, and how many frames those are. Bytes that are no frames, or a
   * message that is too large, count as they come.
   */
  push(chunk: Uint8Array): { readonly bytes: number; readonly frames: number } {
    let bytes = 0
    let frames = 0
    let at = 0
    while (this.isFramed && at < chunk.length) {
      if (this.missing === 0) {
        this.head[this.headUsed++] = chunk[at++]!
        this.underWay += 1
        if (this.headUsed === header.length) this.begin()
        continue
      }
      const taken = Math.min(this.missing, chunk.length - at)
      at += taken
      this.missing -= taken
      this.underWay += taken
      if (this.missing > 0) continue
      bytes += this.underWay
      frames += 1
      this.underWay = 0
    }
    if (this.isFramed) return { bytes, frames }
    bytes += this.underWay + chunk.length - at
    this.underWay = 0
    return { bytes, frames: frames + 1 }
  }

  private begin(): void {
    this.headUsed = 0
    this.missing = header.bodyLength(this.head)
    if (this.missing === 0 || this.missing > this.maxMessageSize) this.isFramed = false
  }
}
