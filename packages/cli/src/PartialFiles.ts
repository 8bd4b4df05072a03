/**
 * The partial files into which content is received: their names, and the removal of those that a killed receiver left
 * behind.
 *
 * Several receivers may share a directory: on one machine or several, in containers or through a network file system.
 * So a name tells who writes: the machine, the process, and which process with that number. A file whose writer has
 * ended is removed. When the writer is on another machine its age decides: a living receiver writes to a partial file,
 * or drops it, within its stall timeout.
 *
 * A transfer cannot be resumed: the protocol has no message for it, and half a file proves nothing about its hash.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { createHash, randomBytes, randomUUID } from "node:crypto"
import { readFileSync, readlinkSync } from "node:fs"
import { lstat } from "node:fs/promises"
import { hostname, networkInterfaces } from "node:os"

/**
 * The age, since the last write, at which a partial file counts as abandoned: 10 minutes, twenty times the stall
 * timeout of the commands. Programs with a longer stall timeout must not share a directory across machines.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const abandonedAfter: Duration.Duration = Duration.minutes(10)

/** The maximum number of files that one start examines. */
const maxLeftovers = 1_000

const textOf = (read: () => string): string => {
  try {
    return read()
  } catch {
    return ""
  }
}

/**
 * A text that differs between sets of processes that cannot see each other: machines, containers, and a machine before
 * and after a restart. Two sets with the same text could lose files, so in doubt the texts differ.
 */
const computeScope = (): string => {
  const boot = textOf(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8"))
  const processes = textOf(() => readlinkSync("/proc/self/ns/pid"))
  const hardware = Object.values(networkInterfaces()).flatMap((each) => each?.map(({ mac }) => mac) ?? [])
  const parts = boot === "" || processes === "" ? [hostname(), ...hardware.toSorted()] : [hostname(), boot, processes]
  return createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 12)
}

/**
 * The process that writes to a partial file. `run` distinguishes processes that had the same number.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Owner {
  /** Identifies the machine or container, and its boot. */
  readonly scope: string
  /** The process number. */
  readonly pid: number
  /** Identifies the process among those with the same number. */
  readonly run: string
}

let ownOwner: Owner | undefined

/**
 * The owner for this process.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const self = (): Owner =>
  (ownOwner ??= { scope: computeScope(), pid: process.pid, run: randomBytes(4).toString("hex") })

/**
 * A new unique name for a partial file.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const makeName = (owner: Owner = self()): string =>
  `.qp2p-${owner.scope}-${owner.pid}-${owner.run}-${randomUUID()}.part`

const uuid = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
const named = new RegExp(`^\\.qp2p-(?:([0-9a-f]{12})-([1-9][0-9]{0,9})-([0-9a-f]{8})-)?${uuid}\\.part$`, "u")

/**
 * Parses the name of a partial file; none for any other name. The owner is none when the name does not tell.
 *
 * @stability unstable
 * @category parsing
 * @since 0.1.0
 */
export const parseName = (name: string): Option.Option<{ readonly owner: Option.Option<Owner> }> => {
  const match = named.exec(name)
  if (match === null) return Option.none()
  const [, scope, pid, run] = match
  return Option.some({
    owner: scope === undefined || run === undefined ? Option.none() : Option.some({ scope, pid: Number(pid), run })
  })
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // A process of another user cannot be signalled, and is alive.
    return (error as NodeJS.ErrnoException).code !== "ESRCH"
  }
}

/**
 * Whether the writer has ended; `unknown` when this process cannot see it.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const stateOf = (
  owner: Option.Option<Owner>,
  options: { readonly self: Owner; readonly isAlive: (pid: number) => boolean }
): "own" | "ended" | "unknown" => {
  if (Option.isNone(owner) || owner.value.scope !== options.self.scope) return "unknown"
  const { pid, run } = owner.value
  if (pid === options.self.pid) return run === options.self.run ? "own" : "ended"
  // Another process may have the number by now: then the age decides.
  return options.isAlive(pid) ? "unknown" : "ended"
}

/**
 * A partial file that was removed.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Leftover {
  /** The name of the file. */
  readonly name: string
  /** The size of the file in bytes. */
  readonly size: number
}

/**
 * The result of cleaning a directory.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Cleaned {
  /** The files that were removed. */
  readonly removed: ReadonlyArray<Leftover>
  /** Whether there are files that are too recent to be abandoned. */
  readonly undecided: boolean
}

/**
 * Removes the partial files in a directory whose writers have ended. Links, directories, other files, and files of
 * living receivers are kept. It never fails: what cannot be examined is kept.
 *
 * @stability unstable
 * @category running
 * @since 0.1.0
 */
export const clean = Effect.fnUntraced(function* (
  directory: string,
  owner: Owner = self()
): Effect.fn.Return<Cleaned, never, FileSystem.FileSystem | Path.Path> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const names = yield* Effect.orElseSucceed(fs.readDirectory(directory), () => [])
  const candidates = names
    .flatMap((name) =>
      Option.match(parseName(name), {
        onNone: () => [],
        onSome: ({ owner: writer }) => [{ name, state: stateOf(writer, { self: owner, isAlive }) }]
      })
    )
    .filter(({ state }) => state !== "own")
    .slice(0, maxLeftovers)
  if (candidates.length === 0) return { removed: [], undecided: false }

  const now = yield* clockOf(directory)
  const removed: Array<Leftover> = []
  let undecided = false
  for (const { name, state } of candidates) {
    const target = path.join(directory, name)
    const info = yield* Effect.option(Effect.tryPromise(() => lstat(target)))
    if (Option.isNone(info) || !info.value.isFile()) continue
    const age = now - info.value.mtimeMs
    if (state === "unknown" && age < Duration.toMillis(abandonedAfter)) {
      undecided = true
      continue
    }
    const gone = yield* Effect.isSuccess(fs.remove(target))
    if (gone) removed.push({ name, size: info.value.size })
  }
  return { removed, undecided }
})

/**
 * The current time of the directory's file system, which may be that of a server: the time of a file that is written
 * now. When no file can be written, none can be removed either.
 */
const clockOf = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const probe = path.join(directory, makeName())
  return yield* Effect.scoped(fs.open(probe, { flag: "wx" })).pipe(
    Effect.andThen(Effect.tryPromise(() => lstat(probe))),
    Effect.map((info) => info.mtimeMs),
    Effect.ensuring(Effect.ignore(fs.remove(probe, { force: true }))),
    Effect.orElseSucceed(() => Number.NEGATIVE_INFINITY)
  )
})

/**
 * Cleans a directory now, and once more when the age of the rest decides. Reports each file.
 *
 * @stability unstable
 * @category running
 * @since 0.1.0
 */
export const cleanTelling = Effect.fnUntraced(function* (
  directory: string,
  tell: (leftover: Leftover) => Effect.Effect<void>
) {
  const once = Effect.gen(function* () {
    const { removed, undecided } = yield* clean(directory)
    yield* Effect.forEach(removed, tell, { discard: true })
    return undecided
  })
  if (!(yield* once)) return
  yield* once.pipe(Effect.delay(Duration.sum(abandonedAfter, Duration.minutes(1))), Effect.forkScoped)
})
