/** Frames on their way to one stream: what is pushed while the stream has no room leaves in one write. */
import * as Effect from "effect/Effect"
import { constTrue } from "effect/Function"
import * as limits from "./limits.ts"

/** The most bytes of a write, unless one frame is longer. */
const maxBatch = 64 << 10

/** The least memory of a batch, in bytes. */
const minBatch = 256

/**
 * Frames of one stream that wait to be written, in order. One fiber runs `drain`.
 *
 * Frames are copied into batches. A short frame is part of a large buffer that it shares with others (see `encode`), which would stay
 * as long as the frame waits.
 */
export class Outbox {
  /** Batches that are complete. */
  private batches: Array<Uint8Array> = []
  /** The batch that takes further frames, and how many bytes of it are used. */
  private open: Uint8Array | undefined = undefined
  private used = 0
  /** The memory of the next batch: that of the last one while batches are alike. */
  private nextSize = minBatch
  /** The memory of the batch that is being written. */
  private writing = 0
  private held = 0
  private isClosed = false
  private wake: (() => void) | undefined = undefined
  private readonly waiters = new Set<() => void>()
  private readonly onHeld: ((change: number) => void) | undefined

  /** `onHeld` is called when the memory for frames changes, with the change in bytes. */
  constructor(onHeld?: (change: number) => void) {
    this.onHeld = onHeld
  }

  /** Adds a frame. */
  push(frame: Uint8Array): void {
    if (this.isClosed) return
    const batch = this.batchFor(frame.length)
    batch.set(frame, this.used)
    this.used += frame.length
    const { wake } = this
    if (wake === undefined) return
    this.wake = undefined
    wake()
  }

  /** The memory of the frames that are not written yet, in bytes. */
  get bytes(): number {
    return this.held
  }

  /** Whether writers should wait: see `room`. */
  get isFull(): boolean {
    return this.held >= limits.outbox
  }

  /** Waits until frames may be added. */
  readonly room: Effect.Effect<void> = Effect.suspend(() => (this.isFull ? this.waitForRoom : Effect.void))

  private readonly waitForRoom: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const waiter = () => resume(Effect.void)
    this.waiters.add(waiter)
    return Effect.sync(() => this.waiters.delete(waiter))
  })

  /** The stream has ended: drops what waits, and lets all who wait for room go on. Later frames are dropped. */
  close(): void {
    this.isClosed = true
    this.batches = []
    this.open = undefined
    this.change(-this.held)
    this.release()
  }

  /** Writes what is pushed, until a write fails. */
  drain<E>(write: (bytes: Uint8Array) => Effect.Effect<void, E>): Effect.Effect<void, E> {
    return Effect.whileLoop({
      while: constTrue,
      body: () => (this.open === undefined && this.batches.length === 0 ? this.idle : write(this.take())),
      step: () => this.written()
    })
  }

  private readonly idle: Effect.Effect<void> = Effect.callback<void>((resume) => {
    this.wake = () => resume(Effect.void)
    return Effect.sync(() => {
      this.wake = undefined
    })
  })

  /** The open batch, with room for so many bytes. */
  private batchFor(length: number): Uint8Array {
    const { open, used } = this
    if (open !== undefined && used + length <= open.length) return open
    if (open === undefined || used + length > maxBatch) {
      if (open !== undefined) this.batches.push(this.closeBatch(open))
      return (this.open = this.allocate(Math.max(length, this.nextSize)))
    }
    const larger = this.allocate(Math.min(maxBatch, Math.max(used + length, open.length * 2)))
    larger.set(open.subarray(0, used))
    this.change(-open.length)
    return (this.open = larger)
  }

  private allocate(size: number): Uint8Array {
    this.change(size)
    return new Uint8Array(size)
  }

  private closeBatch(open: Uint8Array): Uint8Array {
    const { used } = this
    this.nextSize = used * 2 < open.length ? Math.max(minBatch, open.length >>> 1) : Math.min(maxBatch, open.length)
    this.open = undefined
    this.used = 0
    return open.subarray(0, used)
  }

  private take(): Uint8Array {
    const batch = this.batches.shift() ?? this.closeBatch(this.open!)
    this.writing = batch.buffer.byteLength
    return batch
  }

  private written(): void {
    if (this.writing === 0) return
    this.change(-this.writing)
    this.writing = 0
    if (this.waiters.size > 0 && !this.isFull) this.release()
  }

  private change(bytes: number): void {
    if (bytes === 0) return
    this.held += bytes
    this.onHeld?.(bytes)
  }

  private release(): void {
    const waiters = [...this.waiters]
    this.waiters.clear()
    for (const waiter of waiters) waiter()
  }
}
