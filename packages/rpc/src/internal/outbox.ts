/** Frames on their way to one stream: what is pushed while the stream has no room leaves in one write. */
import * as Effect from "effect/Effect"
import { constTrue, constVoid } from "effect/Function"
import * as limits from "./limits.ts"

/** The most bytes of a write. */
const batchSize = 64 << 10

/** Frames of one stream that wait to be written, in order. One fiber runs `drain`. */
export class Outbox {
  private frames: Array<Uint8Array> = []
  private bytes = 0
  private wake: (() => void) | undefined = undefined
  private readonly waiters = new Set<() => void>()

  /** Adds a frame. */
  push(frame: Uint8Array): void {
    this.frames.push(frame)
    this.bytes += frame.length
    const { wake } = this
    if (wake === undefined) return
    this.wake = undefined
    wake()
  }

  /** Whether writers should wait: see `room`. */
  get isFull(): boolean {
    return this.bytes >= limits.outbox
  }

  /** Waits until frames may be added. */
  readonly room: Effect.Effect<void> = Effect.suspend(() => (this.isFull ? this.waitForRoom : Effect.void))

  private readonly waitForRoom: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const waiter = () => resume(Effect.void)
    this.waiters.add(waiter)
    return Effect.sync(() => this.waiters.delete(waiter))
  })

  /** Lets all who wait for room go on, when the stream has ended. */
  release(): void {
    const waiters = [...this.waiters]
    this.waiters.clear()
    for (const waiter of waiters) waiter()
  }

  /** Writes what is pushed, until a write fails. */
  drain<E>(write: (bytes: Uint8Array) => Effect.Effect<void, E>): Effect.Effect<void, E> {
    return Effect.whileLoop({
      while: constTrue,
      body: () => (this.frames.length === 0 ? this.idle : write(this.take())),
      step: constVoid
    })
  }

  private readonly idle: Effect.Effect<void> = Effect.callback<void>((resume) => {
    this.wake = () => resume(Effect.void)
    return Effect.sync(() => {
      this.wake = undefined
    })
  })

  private take(): Uint8Array {
    const { frames } = this
    let count = 1
    let size = frames[0]!.length
    while (count < frames.length && size + frames[count]!.length <= batchSize) size += frames[count++]!.length
    const taken = frames.length === count ? frames : frames.slice(0, count)
    this.frames = frames.length === count ? [] : frames.slice(count)
    this.bytes -= size
    if (this.waiters.size > 0 && !this.isFull) this.release()
    if (count === 1) return taken[0]!
    const batch = new Uint8Array(size)
    let at = 0
    for (const frame of taken) {
      batch.set(frame, at)
      at += frame.length
    }
    return batch
  }
}
