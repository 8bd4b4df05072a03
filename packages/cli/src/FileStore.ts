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
import { numbered } from "./FileName.ts"
import * as PartialFiles from "./PartialFiles.ts"

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
  /** Opens a file. Content that is not committed when the scope closes is removed where that is possible. */
  readonly open: (name: string) => Effect.Effect<OpenFile, PlatformError.PlatformError, Scope.Scope>
}

/** Error codes of file systems without hard links. libuv turns the answer of Windows on FAT and exFAT into EISDIR. */
const cannotLink = new Set(["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EMLINK", "EXDEV", "EINVAL", "EISDIR"])

const codeOf = (error: PlatformError.PlatformError): unknown =>
  (error.reason.cause as { readonly code?: unknown } | undefined)?.code

const maxAttempts = 10_000

/**
 * Files in a directory. Content is written to a partial file. When it is complete the file gets its name, in one step
 * and never in place of another file.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const directory = Effect.fnUntraced(function* (
  at: string
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

  const place = Effect.fnUntraced(function* (temporary: string, name: string) {
    for (let attempt = 0; ; attempt++) {
      const target = path.join(at, numbered(name, attempt))
      const placed = yield* Effect.result(link(temporary, target))
      if (placed._tag === "Success") return target
      if (placed.failure.reason._tag !== "AlreadyExists" || attempt >= maxAttempts) {
        return yield* Effect.fail(placed.failure)
      }
    }
  })

  return {
    name: at,
    open: Effect.fnUntraced(function* (name) {
      const temporary = path.join(at, PartialFiles.makeName())
      // Added before the file is opened: finalizers run in reverse, so the file is closed before it is removed.
      yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(temporary, { force: true })))
      const file = yield* fs.open(temporary, { flag: "wx" })
      return {
        write: (chunk) => file.writeAll(chunk),
        commit: Effect.andThen(file.sync, place(temporary, name))
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
