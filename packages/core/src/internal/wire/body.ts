/**
 * What has come of the body of one frame: collected in blocks, and in one piece once half of it is there.
 */
import { allocate } from "../memory.ts"

/** In bytes. */
const smallestBlock = 64
const largestBlock = 64 * 1024

const copy = (from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void => {
  // A view costs more than copying a few bytes by hand.
  if (end - start > 32) {
    to.set(from.subarray(start, end), at)
  } else {
    for (let i = start; i < end; i++) to[at++] = from[i]!
  }
}

export class Body {
  /** Bytes that have come. */
  received = 0
  /** Bytes of memory held: what has come, and room for at most as much again, but 64 bytes when less has come. */
  held = 0
  /** All of the body, once half of it has come. */
  private whole: Uint8Array | undefined = undefined
  /** Before that, what has come of it. Every block but the last is full. */
  private blocks: Array<Uint8Array> = []
  private lastUsed = 0

  /** Copies a part of a body of `length` bytes that lacks more than the part has. */
  keep(chunk: Uint8Array, offset: number, end: number, length: number): void {
    let rest = end - offset
    if (rest === 0) return
    if (this.whole === undefined && 2 * (this.received + rest) >= length) this.gather(length)
    if (this.whole !== undefined) {
      copy(chunk, offset, end, this.whole, this.received)
      this.received += rest
      return
    }
    const last = this.blocks[this.blocks.length - 1]
    if (last !== undefined) {
      const taken = Math.min(rest, last.length - this.lastUsed)
      copy(chunk, offset, offset + taken, last, this.lastUsed)
      this.lastUsed += taken
      this.received += taken
      offset += taken
      rest -= taken
    }
    if (rest === 0) return
    // A block has room for more than the part: many small parts would otherwise cost far more than their bytes.
    const room = Math.max(smallestBlock, Math.min(this.received, largestBlock))
    const block = allocate(Math.min(length - this.received, Math.max(rest, room)))
    copy(chunk, offset, end, block, 0)
    this.blocks.push(block)
    this.lastUsed = rest
    this.received += rest
    this.held += block.length
  }

  /** The body of `length` bytes, whose last part this is. */
  complete(chunk: Uint8Array, offset: number, end: number, length: number): Uint8Array {
    const whole = this.whole ?? this.gather(length)
    copy(chunk, offset, end, whole, this.received)
    return whole
  }

  /** What comes next is of another body. */
  clear(): void {
    this.received = 0
    if (this.held === 0) return
    this.held = 0
    this.whole = undefined
    this.blocks = []
  }

  /** Makes room for all of it, and moves there what has come. */
  private gather(length: number): Uint8Array {
    const whole = allocate(length)
    let at = 0
    for (const block of this.blocks) {
      const used = Math.min(block.length, this.received - at)
      copy(block, 0, used, whole, at)
      at += used
    }
    this.blocks = []
    this.held = length
    return (this.whole = whole)
  }
}
