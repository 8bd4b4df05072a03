/** Network namespaces of Linux: computers of their own, as far as the network goes. */
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { StepFailed } from "../src/internal/Spawned.ts"
import { until } from "./until.ts"

type Spawner = ChildProcessSpawner.ChildProcessSpawner

export interface Namespace {
  readonly name: string
  /** Runs an effect whose processes start in here. */
  readonly inside: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | Spawner>
}

/** Runs a command to its end and returns what it printed. Fails when it does not end with 0. */
export const command = Effect.fnUntraced(function* (
  name: string,
  args: ReadonlyArray<string>,
  input = ""
): Effect.fn.Return<string, StepFailed, Spawner> {
  const step = `${name} ${args.join(" ")}`
  const failed = (detail: string) => new StepFailed({ step, detail })
  const [code, output] = yield* ChildProcess.make(name, args, {
    stdin: { stream: Stream.encodeText(Stream.make(input)) }
  }).pipe(
    Effect.flatMap(({ all, exitCode }) =>
      Effect.all([exitCode, Stream.mkString(Stream.decodeText(all))], { concurrency: "unbounded" })
    ),
    Effect.scoped,
    Effect.mapError((error) => failed(error.message))
  )
  return Number(code) === 0 ? output : yield* failed(`exit code ${code}: ${output.trim()}`)
})

/** The namespace of that name. */
export const at = (name: string): Namespace => ({
  name,
  inside: Effect.updateService(ChildProcessSpawner.ChildProcessSpawner, (spawner) =>
    // `ip` becomes the command, so the process that is signalled is the command's.
    ChildProcessSpawner.make((each) => spawner.spawn(ChildProcess.prefix(each, "ip", ["netns", "exec", name])))
  )
})

/** A namespace with nothing but its loopback interface. When the scope closes it is gone, with whatever runs in it. */
export const make = Effect.fnUntraced(function* (name: string) {
  yield* Effect.acquireRelease(command("ip", ["netns", "add", name]), () => Effect.orDie(remove(name)))
  yield* command("ip", ["-n", name, "link", "set", "lo", "up"])
  return at(name)
})

/** Nothing is asked any more of the processes in it. */
const remove = Effect.fnUntraced(function* (name: string) {
  const isEmpty = Effect.map(pidsIn(name), (pids) => {
    for (const pid of pids) kill(pid)
    return pids.length === 0
  })
  yield* until(`nothing runs in ${name}`, isEmpty)
  yield* command("ip", ["netns", "del", name])
})

/** The processes in a namespace. */
export const pidsIn = (name: string) =>
  Effect.map(command("ip", ["netns", "pids", name]), (output) => output.split("\n").filter(Boolean).map(Number))

const kill = (pid: number): void => {
  try {
    process.kill(pid, "SIGKILL")
  } catch {
    // It has ended meanwhile.
  }
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** What the namespaces of the run of process `pid` are called. */
export const prefixOf = (pid: number): string => `qp2p-${pid}-`

const pattern = /^qp2p-(\d+)-\S*/u

/** The namespaces that there are of runs of these tests, and the process of the run. */
export const all = Effect.map(command("ip", ["netns", "list"]), (output) =>
  output.split("\n").flatMap((line) => {
    const match = pattern.exec(line)
    return match === null ? [] : [{ name: match[0], run: Number(match[1]) }]
  })
)

/** Removes the namespaces of every run whose process is gone, and returns their names. */
export const sweep = Effect.gen(function* () {
  const left = (yield* all).filter(({ run }) => !isAlive(run))
  yield* Effect.forEach(left, ({ name }) => remove(name), { discard: true })
  return left.map(({ name }) => name)
})

const reaper = fileURLToPath(new URL("reaper.sh", import.meta.url))

/** Starts what removes the namespaces with that prefix when its standard input ends, at the latest with this process. */
export const startReaper = (prefix: string) =>
  // In a group of its own: Ctrl-C is not meant for it.
  spawn("sh", [reaper, prefix], { detached: true, stdio: ["pipe", "ignore", "ignore"] })
