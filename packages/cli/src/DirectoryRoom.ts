/**
 * How much room a directory has for received files: the free space of its file system and the number of its entries.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { readdir, statfs } from "node:fs/promises"
import type { FileLimits } from "./FileLimits.ts"
import * as Format from "./Format.ts"

/**
 * A reason against more content. `detail` is for people on this side; the text for the sender names no local path.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface NoRoom {
  /** The reason for people on this side. */
  readonly detail: string
  /** The reason for the sender. */
  readonly told: string
}

/**
 * The room of one directory. Each effect returns a reason when there is none.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface DirectoryRoom {
  /** Asks for one more file, of a size that may be unknown, beside `open` others that are on their way. */
  readonly forFile: (size: Option.Option<number>, open: number) => Effect.Effect<NoRoom | undefined>
  /** Asks for bytes that are about to be written. */
  readonly forBytes: (count: number) => Effect.Effect<NoRoom | undefined>
  /** Counts a file that has its name. */
  readonly added: Effect.Effect<void>
}

/**
 * What is known of a directory. None when the system does not tell.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Measures {
  /** The free bytes for an unprivileged process. */
  readonly free: Effect.Effect<Option.Option<number>>
  /** The number of entries. */
  readonly entries: Effect.Effect<Option.Option<number>>
}

/** The bytes after which the free space is measured again: other processes write to the file system as well. */
const measuredEvery = 16 * 1024 * 1024

/** How long a full directory counts as full without another look, because a look costs as much as it has entries. */
const recountNanos = 10_000_000_000n

/**
 * The measures of a directory, from the system.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const measuresOf = (directory: string): Measures => ({
  free: Effect.option(Effect.tryPromise(() => statfs(directory))).pipe(
    Effect.map(Option.map(({ bavail, bsize }) => bavail * bsize))
  ),
  entries: Effect.option(Effect.tryPromise(() => readdir(directory))).pipe(
    Effect.map(Option.map(({ length }) => length))
  )
})

/**
 * The room of a directory within limits. It counts the entries at the first file, and again only when the directory is full,
 * at most every 10 s; it measures the free space for each file, and every 16 MiB.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (measures: Measures, limits: Pick<FileLimits, "keepFree" | "maxFiles">): DirectoryRoom => {
  let free = Number.POSITIVE_INFINITY
  let unmeasured = 0
  let entries: number | undefined
  let countedAt = 0n

  const measure = Effect.map(measures.free, (now) => {
    free = Option.getOrElse(now, () => Number.POSITIVE_INFINITY) - limits.keepFree
    unmeasured = 0
  })

  /** The partial files of open transfers are entries, too: they were counted, or were added since. */
  const count = Effect.fnUntraced(function* (open: number) {
    const now = yield* Clock.monotonicTimeNanos
    const isFull = entries !== undefined && entries + open >= limits.maxFiles
    if (entries === undefined || (isFull && now - countedAt >= recountNanos)) {
      countedAt = now
      entries = Option.getOrElse(yield* measures.entries, () => 0) - open
    }
    return entries
  })

  const noFiles = (held: number): NoRoom => ({
    detail: `the directory holds ${held} files, and may hold ${limits.maxFiles}`,
    told: "the receiver takes no more files"
  })

  const noSpace = (): NoRoom => ({
    detail: `only ${Format.bytes(Math.max(0, free))} may be written, and ${Format.bytes(limits.keepFree)} stay free`,
    told: "the receiver has no space for it"
  })

  return {
    forFile: Effect.fnUntraced(function* (size, open) {
      if (Number.isFinite(limits.maxFiles)) {
        const held = yield* count(open)
        if (held + open >= limits.maxFiles) return noFiles(held + open)
      }
      yield* measure
      return free < Option.getOrElse(size, () => 0) || free <= 0 ? noSpace() : undefined
    }),
    forBytes: Effect.fnUntraced(function* (bytes) {
      if (unmeasured + bytes > measuredEvery || free < bytes) yield* measure
      if (free < bytes) return noSpace()
      unmeasured += bytes
      free -= bytes
      return undefined
    }),
    added: Effect.sync(() => {
      if (entries !== undefined) entries++
    })
  }
}
