/**
 * Collects small writes to a file, so that content in messages of a byte does not cost a system call each.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Content of this length or more is written at once, and this much is collected at most, in bytes. */
const capacity = 64 * 1024

/** Collected content is written with the next write after this time, so that the file of a slow transfer stays young. */
const maxAgeNanos = 1_000_000_000n

/**
 * A writer that collects.
 */
export interface WriteBuffer<E> {
  /** Appends bytes, of which it may keep up to 64 KiB. They may be changed afterwards. */
  readonly write: (chunk: Uint8Array) => Effect.Effect<void, E>
  /** Writes what was kept. */
  readonly flush: Effect.Effect<void, E>
}

/**
 * A buffer in front of `write`, which is called with the bytes in their order. It has memory only after a small write.
 */
export const make = <E>(write: (chunk: Uint8Array) => Effect.Effect<void, E>): WriteBuffer<E> => {
  let kept: Uint8Array | undefined
  let length = 0
  let since = 0n

  const flush = Effect.suspend(() => {
    if (kept === undefined || length === 0) return Effect.void
    const chunk = kept.subarray(0, length)
    length = 0
    return write(chunk)
  })

  return {
    flush,
    write: Effect.fnUntraced(function* (chunk) {
      if (length + chunk.length > capacity) yield* flush
      if (chunk.length >= capacity) return yield* write(chunk)
      kept ??= new Uint8Array(capacity)
      const now = yield* Clock.monotonicTimeNanos
      if (length === 0) since = now
      kept.set(chunk, length)
      length += chunk.length
      if (length === capacity || now - since >= maxAgeNanos) yield* flush
    })
  }
}
