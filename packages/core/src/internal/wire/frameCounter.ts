/**
 * Counts the complete frames of a stream, without keeping or decoding them.
 */
import * as header from "./header.ts"

/** Counts the frames of one stream. */
export class FrameCounter {
  private readonly maxMessageSize: number
  private readonly head = new Uint8Array(header.length)
  private headUsed = 0
  /** The bytes of the current body that are still to arrive. */
  private missing = 0
  /** The received bytes of the current frame. */
  private frameBytes = 0
  private isFramed = true

  constructor(maxMessageSize: number) {
    this.maxMessageSize = maxMessageSize
  }

  /**
   * Counts the frames that `chunk` completes, and their bytes. The bytes of a malformed stream or of an oversized message
   * count as they arrive.
   */
  push(chunk: Uint8Array): { readonly bytes: number; readonly frames: number } {
    let bytes = 0
    let frames = 0
    let at = 0
    while (this.isFramed && at < chunk.length) {
      if (this.missing === 0) {
        this.head[this.headUsed++] = chunk[at++]!
        this.frameBytes += 1
        if (this.headUsed === header.length) this.begin()
        continue
      }
      const taken = Math.min(this.missing, chunk.length - at)
      at += taken
      this.missing -= taken
      this.frameBytes += taken
      if (this.missing > 0) continue
      bytes += this.frameBytes
      frames += 1
      this.frameBytes = 0
    }
    if (this.isFramed) return { bytes, frames }
    bytes += this.frameBytes + chunk.length - at
    this.frameBytes = 0
    return { bytes, frames: frames + 1 }
  }

  private begin(): void {
    this.headUsed = 0
    this.missing = header.bodyLength(this.head)
    if (this.missing === 0 || this.missing > this.maxMessageSize) this.isFramed = false
  }
}
