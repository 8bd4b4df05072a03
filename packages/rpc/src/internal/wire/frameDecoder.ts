/** Cuts the bytes of a stream into frames. It holds at most one incomplete frame, in at most twice the memory of what arrived of it. */
import { headerLength, readU32 } from "./frame.ts"

/** One frame. */
export interface Frame {
  /** One of `FrameKind`, or a number that this version does not know. */
  readonly kind: number
  /** The number of the call on its stream. */
  readonly call: number
  /** The content, which nothing changes later. */
  readonly content: Uint8Array
}

const empty = new Uint8Array(0)

/** The least memory for an incomplete frame, in bytes. */
const leastBuffer = 64

/** Cuts bytes into frames. */
export class FrameDecoder {
  /** The most bytes of content that a frame may have. */
  maxContent: number
  /** An incomplete frame: the first `size` bytes. */
  private buffer = empty
  private size = 0

  constructor(maxContent: number) {
    this.maxContent = maxContent
  }

  /** How many bytes of the incomplete frame have arrived. */
  get buffered(): number {
    return this.size
  }

  /** How many bytes the incomplete frame has in all, as far as its header tells. */
  get expected(): number {
    return this.size < headerLength ? headerLength : headerLength + readU32(this.buffer, 0)
  }

  /** Adds the frames that `chunk` completes to `frames`. Returns false when a frame is too long: nothing may follow. */
  push(chunk: Uint8Array, frames: Array<Frame>): boolean {
    let at = 0
    // An incomplete frame first takes its header, then its content.
    while (this.size > 0) {
      const wanted = this.expected
      if (wanted - headerLength > this.maxContent) return false
      const taken = Math.min(wanted - this.size, chunk.length - at)
      if (taken > 0) this.append(chunk, at, taken, wanted)
      at += taken
      if (this.size < wanted) return true
      if (this.size < this.expected) continue
      if (this.expected - headerLength > this.maxContent) return false
      frames.push(frameAt(this.buffer, 0, this.size))
      this.buffer = empty
      this.size = 0
    }
    while (chunk.length - at >= headerLength) {
      const length = readU32(chunk, at)
      if (length > this.maxContent) return false
      const end = at + headerLength + length
      if (end > chunk.length) {
        this.append(chunk, at, chunk.length - at, end - at)
        return true
      }
      frames.push(frameAt(chunk, at, end))
      at = end
    }
    if (at < chunk.length) this.append(chunk, at, chunk.length - at, headerLength)
    return true
  }

  private append(chunk: Uint8Array, from: number, count: number, wanted: number): void {
    const { buffer, size } = this
    if (size + count > buffer.length) {
      // Not all that the header claims: only what has arrived costs memory.
      this.buffer = new Uint8Array(Math.max(size + count, Math.min(wanted, Math.max(leastBuffer, buffer.length * 2))))
      this.buffer.set(buffer.subarray(0, size))
    }
    this.buffer.set(chunk.subarray(from, from + count), size)
    this.size += count
  }
}

const frameAt = (bytes: Uint8Array, start: number, end: number): Frame => ({
  kind: bytes[start + 4]!,
  call: readU32(bytes, start + 5),
  content: bytes.subarray(start + headerLength, end)
})
