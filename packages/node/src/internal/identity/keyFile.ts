/**
 * Files that have a secret: reads one that only its owner can use, and makes one that is whole from its first moment.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { randomBytes } from "node:crypto"
import type { Stats } from "node:fs"
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import { basename, dirname, join } from "node:path"

/** The most bytes of a file that are read: more than a key of any kind has. */
export const maxKeyFileBytes = 16_384

/** A file cannot be used. `detail` says why, in words that follow the path. `cause` is the error of the system, if any. */
export class KeyFileError extends Data.TaggedError("KeyFileError")<{
  readonly detail: string
  readonly cause?: unknown
}> {}

/** Runs a call of `node:fs`, whose errors name the path and the system's code, and nothing of the file. */
const call = <A>(what: string, run: () => Promise<A>): Effect.Effect<A, KeyFileError> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => new KeyFileError({ detail: `${what} (${codeOf(cause) ?? "without a system code"})`, cause })
  })

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | null)?.code

const hasCode =
  (...codes: ReadonlyArray<string>) =>
  ({ cause }: KeyFileError): boolean =>
    codes.includes(codeOf(cause) ?? "")

/** Says more of why a file cannot be made. */
const because =
  (reason: string) =>
  ({ cause }: KeyFileError): Effect.Effect<never, KeyFileError> =>
    Effect.fail(new KeyFileError({ detail: `cannot be made: ${reason} (${codeOf(cause)})`, cause }))

const refused = (detail: string): Effect.Effect<never, KeyFileError> => Effect.fail(new KeyFileError({ detail }))

/**
 * Opening a FIFO would wait for a writer, and a terminal could become that of the process: the flags prevent both. Windows
 * has neither, nor the flags.
 */
const readFlags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0)

const openToRead = (path: string): Effect.Effect<fs.FileHandle, KeyFileError> =>
  call("cannot be opened", () => fs.open(path, readFlags))

const close = (file: fs.FileHandle): Effect.Effect<void> => Effect.ignore(call("cannot be closed", () => file.close()))

/**
 * Reads a file, of which everything is checked on the open file, so that it cannot be exchanged in between. Returns none when
 * there is no file.
 */
export const readKeyFile = (path: string): Effect.Effect<Option.Option<Uint8Array>, KeyFileError> =>
  Effect.acquireUseRelease(
    openToRead(path),
    (file) =>
      Effect.gen(function* () {
        const stats = yield* call("cannot be examined", () => file.stat())
        const problem = problemOf(stats)
        if (problem !== undefined) return yield* refused(problem)
        const bytes = yield* call("cannot be read", () => readBounded(file))
        return bytes.length > maxKeyFileBytes ? yield* refused(tooLarge) : Option.some(bytes)
      }),
    close
  ).pipe(
    Effect.catchIf(hasCode("ENOENT"), () => Effect.succeedNone),
    // Sockets cannot be opened.
    Effect.catchIf(hasCode("ENXIO", "EISDIR"), () => refused(notRegular))
  )

const notRegular = "is no regular file"
const tooLarge = `has more than ${maxKeyFileBytes} bytes: it is no key`

/** What is wrong with a file before it is read. Windows has no modes and owners of this kind. */
const problemOf = (stats: Stats): string | undefined => {
  if (!stats.isFile()) return notRegular
  const uid = process.geteuid?.()
  if (uid !== undefined) {
    if (stats.uid !== uid) return `belongs to the user ${stats.uid}, and this process is the user ${uid}`
    if ((stats.mode & 0o077) !== 0) {
      const mode = (stats.mode & 0o7777).toString(8).padStart(4, "0")
      return `can be read or written by others (its mode is ${mode}): \`chmod 600\` makes it private`
    }
  }
  return undefined
}

/**
 * Reads one byte more than is allowed, at most. The size that the system tells is not asked for: files of the kernel have none.
 */
const readBounded = async (file: fs.FileHandle): Promise<Uint8Array> => {
  const buffer = new Uint8Array(maxKeyFileBytes + 1)
  let length = 0
  while (length < buffer.length) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return buffer.subarray(0, length)
}

/**
 * Makes a file with mode 0600, unless there is one. Returns whether it made the file. A process that opens `path` finds all of
 * the text or no file, also after a power cut: the text goes to a temporary file in the same folder, which then gets the name
 * as well by a hard link, since that does not replace a file. An interruption waits until this is done.
 */
export const createKeyFile = (path: string, text: string): Effect.Effect<boolean, KeyFileError> => {
  const folder = dirname(path)
  const temporary = join(folder, `.${basename(path).slice(0, 64)}.${randomBytes(8).toString("hex")}.tmp`)
  const linked = Effect.acquireUseRelease(
    call("cannot be made", () => fs.open(temporary, "wx", 0o600)).pipe(
      Effect.catchIf(hasCode("ENOENT", "ENOTDIR"), because("its folder does not exist"))
    ),
    (file) => Effect.andThen(write(file, text), link(temporary, path)),
    (file) => Effect.andThen(close(file), Effect.ignore(call("cannot be removed", () => fs.unlink(temporary))))
  )
  return Effect.uninterruptible(Effect.tap(linked, () => syncFolder(folder)))
}

/** A umask may have taken rights from the owner, too, so the mode is set once more. */
const write = (file: fs.FileHandle, text: string): Effect.Effect<void, KeyFileError> =>
  call("cannot be written", async () => {
    await file.chmod(0o600)
    await file.writeFile(text)
    await file.sync()
  })

const link = (temporary: string, path: string): Effect.Effect<boolean, KeyFileError> =>
  call("cannot be made", () => fs.link(temporary, path)).pipe(
    Effect.as(true),
    Effect.catchIf(hasCode("EEXIST"), () => Effect.succeed(false)),
    Effect.catchIf(hasCode("EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"), because("its file system has no hard links"))
  )

/** Makes the name of the file last. Where folders cannot be synchronised, which includes Windows, there is nothing to do. */
const syncFolder = (folder: string): Effect.Effect<void, KeyFileError> =>
  process.platform === "win32"
    ? Effect.void
    : Effect.acquireUseRelease(
        openToRead(folder),
        (opened) => call("was made, but its folder cannot be synchronised", () => opened.sync()),
        close
      ).pipe(Effect.catchIf(hasCode("EINVAL", "ENOTSUP", "EACCES"), () => Effect.void))

/** Tells whether a path is a symbolic link. */
export const isSymbolicLink = (path: string): Effect.Effect<boolean> =>
  Effect.orElseSucceed(
    Effect.map(
      call("cannot be examined", () => fs.lstat(path)),
      (stats) => stats.isSymbolicLink()
    ),
    () => false
  )
