/**
 * The destinations of received content.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as PlatformError from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import { lstat } from "node:fs/promises"
import * as DirectoryRoom from "./DirectoryRoom.ts"
import * as FileLimits from "./FileLimits.ts"
import { numbered } from "./FileName.ts"
import * as PartialFiles from "./PartialFiles.ts"
import * as WriteBuffer from "./internal/WriteBuffer.ts"

/**
 * A file that is being received.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface OpenFile {
  /** Appends bytes. */
  readonly write: (chunk: Uint8Array) => Effect.Effect<void, PlatformError.PlatformError>
  /** Marks the content as complete, and returns the final name. */
  readonly commit: Effect.Effect<string, PlatformError.PlatformError>
}

/**
 * A destination of files.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface FileStore {
  /** The name of the destination in messages for people on this side. */
  readonly name: string
  /** The room for content; without it there is no bound. */
  readonly room?: DirectoryRoom.DirectoryRoom | undefined
  /** Opens a file. Content that is not committed when the scope closes is removed where that is possible. */
  readonly open: (name: string) => Effect.Effect<OpenFile, PlatformError.PlatformError, Scope.Scope>
}

/** Error codes of file systems without hard links. libuv turns the answer of Windows on FAT and exFAT into EISDIR. */
const cannotLink = new Set(["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EMLINK", "EXDEV", "EINVAL", "EISDIR"])

const codeOf = (error: PlatformError.PlatformError): unknown =>
  (error.reason.cause as { readonly code?: unknown } | undefined)?.code

/** The largest number that a name gets. Beyond it the number is random. */
const maxNumber = 2 ** 20

/** How often the name that was found free may be taken before it is used. */
const maxRaces = 8

/**
 * Files in a directory. Content is written to a partial file, in which small writes appear up to a second later. When the
 * file is complete it gets its name, in one step and never in place of another file.
 *
 * A name that is taken gets a number. The search for it looks at 41 names or fewer, however many files have that name, so the
 * number may be one that an earlier removal has freed, or not.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const directory = Effect.fnUntraced(function* (
  at: string,
  limits: FileLimits.Input = {}
): Effect.fn.Return<FileStore, never, FileSystem.FileSystem | Path.Path> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path

  // Linking fails where the name is taken, and leaves nothing behind when the process is killed.
  const link = (temporary: string, target: string) =>
    fs
      .link(temporary, target)
      .pipe(
        Effect.catch((error) =>
          cannotLink.has(String(codeOf(error))) ? reserve(temporary, target) : Effect.fail(error)
        )
      )

  // Creating the name exclusively reserves it, so the rename replaces only that empty file.
  const reserve = (temporary: string, target: string) =>
    Effect.andThen(
      Effect.scoped(fs.open(target, { flag: "wx" })),
      fs.rename(temporary, target).pipe(Effect.onError(() => Effect.ignore(fs.remove(target, { force: true }))))
    )

  const isTaken = (name: string, number: number) =>
    Effect.isSuccess(Effect.tryPromise(() => lstat(path.join(at, numbered(name, number)))))

  /** A number whose name is free while that of the number before is taken; none when there is none up to `maxNumber`. */
  const freeNumber = Effect.fnUntraced(function* (name: string) {
    let taken = 0
    let free = 1
    while (yield* isTaken(name, free)) {
      if (free >= maxNumber) return undefined
      taken = free
      free *= 2
    }
    while (free - taken > 1) {
      const middle = (taken + free) >>> 1
      if (yield* isTaken(name, middle)) taken = middle
      else free = middle
    }
    return free
  })

  /** Gives the file the name; none when it is taken. */
  const placeAs = Effect.fnUntraced(function* (temporary: string, name: string) {
    const target = path.join(at, name)
    const placed = yield* Effect.result(link(temporary, target))
    if (placed._tag === "Success") return target
    if (placed.failure.reason._tag === "AlreadyExists") return undefined
    return yield* Effect.fail(placed.failure)
  })

  const place = Effect.fnUntraced(function* (temporary: string, name: string) {
    const target = yield* placeAs(temporary, name)
    if (target !== undefined) return target
    const number = yield* freeNumber(name)
    for (let race = 0; number !== undefined && race < maxRaces; race++) {
      const target = yield* placeAs(temporary, numbered(name, number + race))
      if (target !== undefined) return target
    }
    const last = numbered(name, randomBytes(6).toString("hex"))
    const random = yield* placeAs(temporary, last)
    if (random !== undefined) return random
    return yield* Effect.fail(
      PlatformError.systemError({ module: "FileSystem", method: "link", _tag: "AlreadyExists", pathOrDescriptor: last })
    )
  })

  return {
    name: at,
    room: DirectoryRoom.make(DirectoryRoom.measuresOf(at), FileLimits.make(limits)),
    open: Effect.fnUntraced(function* (name) {
      const temporary = path.join(at, PartialFiles.makeName())
      // Added before the file is opened: finalizers run in reverse, so the file is closed before it is removed.
      yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(temporary, { force: true })))
      const file = yield* fs.open(temporary, { flag: "wx" })
      const buffer = WriteBuffer.make((chunk) => file.writeAll(chunk))
      return {
        write: buffer.write,
        commit: Effect.andThen(buffer.flush, Effect.andThen(file.sync, place(temporary, name)))
      }
    })
  }
})

/**
 * Standard output. Written content cannot be removed again: the exit code tells whether it was correct.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const standardOutput: FileStore = {
  name: "standard output",
  open: (name) =>
    Effect.succeed({
      write: (chunk) =>
        Effect.callback((resume) => {
          process.stdout.write(chunk, (cause) =>
            resume(
              cause === null || cause === undefined
                ? Effect.void
                : Effect.fail(PlatformError.systemError({ module: "Stdio", method: "stdout", _tag: "Unknown", cause }))
            )
          )
        }),
      commit: Effect.succeed(`${name}, written to standard output`)
    })
}
