/**
 * A sending half whose first frame waits for bytes to travel with.
 */
import { constVoid } from "effect/Function"
import type { StreamStopped } from "../../StreamError.ts"
import type { BackingSendStream, StreamFailure } from "../../Transport.ts"
import { joined } from "../memory.ts"

const empty = new Uint8Array(0)

/** The most bytes that are copied into one buffer with the frame: cheaper than a second write. */
const copyLimit = 16 << 10

/** The sending half of a stream that begins with a frame. The frame leaves with the first bytes, or with `flush`. */
export class LeadingSend implements BackingSendStream {
  /** Whether the owner has finished or reset the half. */
  isOver = false
  private readonly backing: BackingSendStream
  /** The frame, until it is written. */
  private frame: Uint8Array | undefined

  constructor(backing: BackingSendStream, frame: Uint8Array) {
    this.backing = backing
    this.frame = frame
  }

  write(bytes: Uint8Array, fin: boolean, done: (failure?: StreamFailure) => void): void {
    const { backing, frame } = this
    if (fin) this.isOver = true
    if (frame === undefined) return backing.write(bytes, fin, done)
    this.frame = undefined
    if (frame.length + bytes.length > copyLimit) {
      // The result of the bytes covers the frame.
      backing.write(frame, false, constVoid)
      return backing.write(bytes, fin, done)
    }
    if (bytes.length === 0) return backing.write(frame, fin, done)
    backing.write(joined(frame, bytes), fin, done)
  }

  /** Writes the frame, unless it is written or the half is over. */
  flush(): void {
    if (!this.isOver) this.write(empty, false, constVoid)
  }

  /** Ends the half, unless it is over. */
  finish(): void {
    if (!this.isOver) this.write(empty, true, constVoid)
  }

  onStopped(stopped: (failure: StreamStopped) => void): void {
    this.backing.onStopped(stopped)
  }

  setPriority(priority: number): void {
    this.backing.setPriority(priority)
  }

  reset(code: number): void {
    this.isOver = true
    this.backing.reset(code)
  }

  /** Resets the half, unless it is over. */
  abort(code: number): void {
    if (!this.isOver) this.reset(code)
  }
}
