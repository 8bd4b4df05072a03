/**
 * Collects the body of one frame: in blocks, then in bytes that grow, and in one buffer once half of it has arrived.
 */
import { allocate, GrowingBytes } from "../memory.ts"

/** The sizes of blocks, in bytes. */
const smallestBlock = 64
const largestBlock = 64 * 1024

/** The bytes that are kept in blocks of a body of at least `minGrowing` bytes. Shorter ones are not worth the system calls. */
const maxInBlocks = 256 * 1024
const minGrowing = 4 * 1024 * 1024

const copy = (from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void => {
  // A view costs more than copying a few bytes by hand.
  if (end - start > 32) {
    to.set(from.subarray(start, end), at)
  } else {
    for (let i = start; i < end; i++) to[at++] = from[i]!
  }
}

/** The body of one frame, in arrival. */
export class Body {
  /** The bytes received so far. */
  received = 0
  /**
   * The bytes of memory held at most, which grow with each part: twice the received bytes, or 64 where that is more, and never
   * more than the whole body. So the step from blocks to one buffer makes no difference.
   */
  held = 0
  private inBlocks = 0
  /** The received part of a long body, until half of it has arrived. */
  private growing: GrowingBytes | undefined = undefined
  /** The buffer of the whole body, once half of it has arrived. */
  private whole: Uint8Array | undefined = undefined
  /** The received parts before that. Every block but the last is full. */
  private blocks: Array<Uint8Array> = []
  private lastUsed = 0

  /** Copies a part that does not complete the body of `length` bytes. */
  append(chunk: Uint8Array, offset: number, end: number, length: number): void {
    let rest = end - offset
    if (rest === 0) return
    if (this.whole === undefined && 2 * (this.received + rest) >= length) this.merge(length)
    if (this.whole !== undefined) {
      copy(chunk, offset, end, this.whole, this.received)
      this.received += rest
      return
    }
    this.held = Math.max(this.inBlocks, Math.min(2 * (this.received + rest), length))
    if (this.growing === undefined && length >= minGrowing && this.received + rest > maxInBlocks)
      this.leaveBlocks(length)
    if (this.growing !== undefined) {
      this.growing.grow(this.received + rest)
      copy(chunk, offset, end, this.growing.bytes, this.received)
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
    // A block is larger than the part, so that many small parts do not cost far more memory than their bytes.
    const room = Math.max(smallestBlock, Math.min(this.received, largestBlock))
    const block = allocate(Math.min(length - this.received, Math.max(rest, room)))
    copy(chunk, offset, end, block, 0)
    this.blocks.push(block)
    this.lastUsed = rest
    this.received += rest
    this.inBlocks += block.length
    this.held = Math.max(this.held, this.inBlocks)
  }

  /** Copies the last part and returns the body of `length` bytes. */
  complete(chunk: Uint8Array, offset: number, end: number, length: number): Uint8Array {
    const whole = this.whole ?? this.merge(length)
    copy(chunk, offset, end, whole, this.received)
    return whole
  }

  /** Prepares for the next body. */
  clear(): void {
    this.received = 0
    if (this.held === 0) return
    this.held = 0
    this.inBlocks = 0
    this.growing = undefined
    this.whole = undefined
    this.blocks = []
  }

  /** Allocates the buffer of the whole body and copies the blocks into it. */
  private merge(length: number): Uint8Array {
    const whole = allocate(length)
    if (this.growing === undefined) this.copyBlocks(whole)
    else copy(this.growing.bytes, 0, this.received, whole, 0)
    this.growing = undefined
    this.blocks = []
    this.held = length
    return (this.whole = whole)
  }

  /** Copies the blocks into bytes that grow, where the platform has those. */
  private leaveBlocks(length: number): void {
    const growing = GrowingBytes.make(maxInBlocks, Math.max(maxInBlocks, length))
    if (growing === undefined) return
    growing.grow(this.received)
    this.copyBlocks(growing.bytes)
    this.blocks = []
    this.inBlocks = 0
    this.growing = growing
  }

  private copyBlocks(to: Uint8Array): void {
    let at = 0
    for (const block of this.blocks) {
      const used = Math.min(block.length, this.received - at)
      copy(block, 0, used, to, at)
      at += used
    }
  }
}
