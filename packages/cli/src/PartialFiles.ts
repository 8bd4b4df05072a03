/**
 * The files that content is received into, until it is complete: how they are called, and how those are found again that a
 * killed receiver has left behind.
 *
 * Several receivers may share a directory, of one machine or of several, in containers or through a network file system, so
 * a name says who writes: the machine, the process, and which process of that number it was. A file whose writer has
 * ended is removed. Where that cannot be known, because the writer is on another machine, the file's age decides: a living
 * receiver writes to a partial file, or drops it, within its stall timeout.
 *
 * A transfer cannot be resumed: the protocol has no word for it, and half of a file proves nothing about its hash.
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
 * What has not been written to for this long has no writer any more: twenty times the stall timeout of the commands.
 * Programs that receive with a longer one should not share a directory with them across machines.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const abandonedAfter: Duration.Duration = Duration.minutes(10)

/** What is looked at in one go. A directory with more of them is cleaned by several starts. */
const maxLeftovers = 1_000

const textOf = (read: () => string): string => {
  try {
    return read()
  } catch {
    return ""
  }
}

/**
 * Tells apart what does not see the same processes: machines, containers on one, and a machine before and after it was
 * started again. Two that are taken for one could lose files, so what cannot be told exactly is told too finely.
 */
const computeScope = (): string => {
  const boot = textOf(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8"))
  const processes = textOf(() => readlinkSync("/proc/self/ns/pid"))
  const hardware = Object.values(networkInterfaces()).flatMap((each) => each?.map(({ mac }) => mac) ?? [])
  const parts = boot === "" || processes === "" ? [hostname(), ...hardware.toSorted()] : [hostname(), boot, processes]
  return createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 12)
}

/**
 * Who writes to a partial file. `run` tells processes apart that have had the same number.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Owner {
  readonly scope: string
  readonly pid: number
  readonly run: string
}

let ownOwner: Owner | undefined

/**
 * This process.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const self = (): Owner =>
  (ownOwner ??= { scope: computeScope(), pid: process.pid, run: randomBytes(4).toString("hex") })

/**
 * A name that no other file has.
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
 * Whether a name is that of a partial file, and whose.
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
    // A process of another user cannot be signalled, and lives.
    return (error as NodeJS.ErrnoException).code !== "ESRCH"
  }
}

/**
 * Whether the writer has ended; `unknown` where it cannot be seen from here.
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
  // The number may have been given to another process since: then the age tells.
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
  readonly name: string
  readonly size: number
}

/**
 * What a look at a directory has come to.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Cleaned {
  readonly removed: ReadonlyArray<Leftover>
  /** Whether there are others that are too young to be given up. */
  readonly undecided: boolean
}

/**
 * Removes the partial files in a directory whose writers have ended. Everything else stays as it is: links, directories and
 * files of other names, and what a living receiver writes to. Never fails: what cannot be looked at is left alone.
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
 * The time of the file system that the directory lies in, which may be that of a server: a file that is written now has it.
 * Where none can be written, nothing can be removed either.
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
 * Cleans a directory now, and once more when the rest can be told by its age. Tells of each file.
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
