/**
 * The directory for received files.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import { CommandFailed, describeFileError, exitCodes } from "./Failure.ts"

/**
 * Like `makeDirectory` with `recursive`, which never ends where a directory can be neither found nor created, as in
 * `/proc`.
 */
const makeDirectories: (
  directory: string
) => Effect.Effect<void, PlatformError.PlatformError, FileSystem.FileSystem | Path.Path> = Effect.fnUntraced(
  function* (directory) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    if (Option.exists(yield* Effect.option(fs.stat(directory)), ({ type }) => type === "Directory")) return
    const parent = path.dirname(path.resolve(directory))
    const above = yield* Effect.result(fs.stat(parent))
    if (above._tag === "Failure" && above.failure.reason._tag === "NotFound" && parent !== path.resolve(directory)) {
      yield* makeDirectories(parent)
    }
    yield* fs.makeDirectory(directory).pipe(
      // Another receiver that starts now has created it.
      Effect.catchIf(
        (error) => error.reason._tag === "AlreadyExists",
        (error) =>
          Effect.flatMap(fs.stat(directory), ({ type }) => (type === "Directory" ? Effect.void : Effect.fail(error)))
      )
    )
  }
)

/**
 * Creates the directory if it is missing. Fails with `CommandFailed` when no file can be created in it.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const ensure = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const failed = (detail: string) => new CommandFailed({ detail, exitCode: exitCodes.failed })
  const existing = yield* Effect.option(fs.stat(directory))
  if (Option.isSome(existing) && existing.value.type !== "Directory") {
    return yield* failed(`cannot receive into ${directory}: it is no directory`)
  }
  yield* Effect.mapError(makeDirectories(directory), (error) =>
    failed(describeFileError(`cannot create the directory ${directory}`, error))
  )
  yield* Effect.mapError(fs.access(directory, { writable: true }), (error) =>
    failed(describeFileError(`cannot receive into ${directory}`, error))
  )
})
