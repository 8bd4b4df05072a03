/**
 * Where the content of a sent file comes from.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as PlatformError from "effect/PlatformError"
import * as Pull from "effect/Pull"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { closeSync, constants, fstatSync, openSync } from "node:fs"
import { Socket } from "node:net"
import { describeFileError } from "./Failure.ts"

/**
 * The local file cannot be sent: it cannot be read, has the wrong type, or changed while it was sent. `told` is the
 * text for the receiver, without a path.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class FileUnusable extends Schema.TaggedError<FileUnusable>("@qp2p/cli/FileTransfer/FileUnusable")(
  "FileUnusable",
  { path: Schema.String, detail: Schema.String, told: Schema.String }
) {
  override get message() {
    return this.detail
  }
}

/**
 * An open file that is read in chunks.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface FileSource {
  /** The base name. */
  readonly name: string
  /** The size in bytes; none when it is known only at the end. */
  readonly size: Option.Option<number>
  /** Reads the next bytes, at most `chunkSize`; none at the end. Fails when the end is not where it was expected. */
  readonly next: Effect.Effect<Option.Option<Uint8Array>, FileUnusable>
}

/**
 * How many bytes are read at a time: 256 KiB.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const chunkSize = 256 * 1024

/** Paths of standard input, which must not be opened: that fails where it is a socket. */
const standardInput = new Set(["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"])

/**
 * Whether a path stands for standard input.
 *
 * @stability unstable
 * @category predicates
 * @since 0.1.0
 */
export const isStandardInput = (path: string): boolean => standardInput.has(path)

const isDirectoryInput = (): boolean => {
  try {
    return fstatSync(0).isDirectory()
  } catch {
    return false
  }
}

/** The name of standard input, which has none. */
const inputName = "stdin"

const cannotRead = (path: string): string => `cannot read ${isStandardInput(path) ? "standard input" : path}`

const unreadable = (path: string) =>
  Effect.mapError(
    (error: PlatformError.PlatformError) =>
      new FileUnusable({
        path,
        detail: describeFileError(cannotRead(path), error),
        told: "it could not read the file to its end"
      })
  )

const kinds: Partial<Record<FileSystem.File.Type, string>> = {
  Directory: "it is a directory",
  Socket: "it is a socket",
  CharacterDevice: "it is a device",
  BlockDevice: "it is a device"
}

/**
 * Opens a path for sending: a file, a named pipe, or `-` for standard input.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const open = Effect.fnUntraced(function* (
  input: string
): Effect.fn.Return<FileSource, FileUnusable, FileSystem.FileSystem | Path.Path | Stdio.Stdio | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  if (isStandardInput(input)) {
    const stdio = yield* Stdio.Stdio
    // Node reads a directory as empty input.
    if (yield* Effect.sync(isDirectoryInput)) return yield* unsendable("standard input", "it is a directory")
    return yield* fromStream(input, inputName, stdio.stdin)
  }
  // Opening something other than a file may block without end, so the type is checked first.
  const info = yield* unreadable(input)(fs.stat(input))
  const name = path.basename(path.resolve(input))
  if (info.type === "FIFO") return yield* fromStream(input, name, yield* pipe(input))
  if (info.type !== "File") return yield* unsendable(input, kinds[info.type] ?? "it is no file")
  return yield* fromFile(input, name)
})

const unsendable = (path: string, detail: string) =>
  new FileUnusable({ path, detail: `cannot send ${path}: ${detail}`, told: "it has no such file" })

/**
 * Opens a named pipe without blocking: a thread that waits in `open` or `read` for a writer cannot be interrupted, and
 * keeps the process from exiting.
 */
const pipe = Effect.fnUntraced(function* (path: string) {
  const socket = yield* Effect.try({
    try: () => {
      const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
      try {
        return new Socket({ fd, readable: true, writable: false })
      } catch (cause) {
        closeSync(fd)
        throw cause
      }
    },
    catch: readError
  }).pipe(unreadable(path))
  yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
  return NodeStream.fromReadable({ evaluate: () => socket, onError: readError })
})

const readError = (cause: unknown): PlatformError.PlatformError =>
  PlatformError.systemError({ module: "FileSystem", method: "read", _tag: "Unknown", cause })

const fromStream = Effect.fnUntraced(function* (
  path: string,
  name: string,
  stream: Stream.Stream<Uint8Array, PlatformError.PlatformError>
) {
  const pull = yield* Stream.toPull(Stream.flattenIterable(Stream.map(stream, pieces)))
  let waiting: ReadonlyArray<Uint8Array> = []
  const next: FileSource["next"] = Effect.gen(function* () {
    if (waiting.length === 0) {
      const chunk = yield* pull.pipe(
        Effect.map(Option.some),
        Pull.catchDone(() => Effect.succeedNone)
      )
      if (Option.isNone(chunk)) return Option.none<Uint8Array>()
      waiting = chunk.value
    }
    const [first, ...rest] = waiting
    waiting = rest
    return Option.fromUndefinedOr(first)
  }).pipe(unreadable(path))
  return { name, size: Option.none(), next } satisfies FileSource
})

/** Splits bytes to messages: a read may return more than one message should carry, and no message may be empty. */
const pieces = (bytes: Uint8Array): ReadonlyArray<Uint8Array> => {
  const out: Array<Uint8Array> = []
  for (let from = 0; from < bytes.length; from += chunkSize) out.push(bytes.subarray(from, from + chunkSize))
  return out
}

const changed = (path: string, how: string) =>
  new FileUnusable({
    path,
    detail: `${path} ${how} while it was being sent`,
    told: `the file ${how} while it was being sent`
  })

const fromFile = Effect.fnUntraced(function* (path: string, name: string) {
  const fs = yield* FileSystem.FileSystem
  const readable = unreadable(path)
  const file = yield* readable(fs.open(path, { flag: "r" }))
  const read = (size: number) => readable(file.readAlloc(size))
  const before = yield* readable(file.stat)
  const size = Number(before.size)

  // Files that the kernel generates report the size 0.
  if (size === 0) {
    const first = yield* read(chunkSize)
    if (Option.isSome(first)) {
      let begun = false
      const next: FileSource["next"] = Effect.suspend(() => {
        if (begun) return read(chunkSize)
        begun = true
        return Effect.succeed(first)
      })
      return { name, size: Option.none(), next } satisfies FileSource
    }
  }

  let done = 0
  const ended = Effect.gen(function* () {
    if (Option.isSome(yield* read(1))) return yield* changed(path, "grew")
    const after = yield* readable(file.stat)
    const time = (info: FileSystem.File.Info) => Option.getOrUndefined(info.mtime)?.getTime()
    if (time(after) !== time(before)) return yield* changed(path, "changed")
    return Option.none<Uint8Array>()
  })
  const next: FileSource["next"] = Effect.suspend(() =>
    done === size
      ? ended
      : Effect.flatMap(read(Math.min(chunkSize, size - done)), (chunk) => {
          if (Option.isNone(chunk)) return Effect.fail(changed(path, "became shorter"))
          done += chunk.value.length
          return Effect.succeed(chunk)
        })
  )
  return { name, size: Option.some(size), next } satisfies FileSource
})
