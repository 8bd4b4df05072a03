/** Runners in processes of their own. They are built: the processes run the example as it is started by hand. */
import { type PeerId } from "@qp2p/core"
import { NodeIdentity } from "@qp2p/node"
import { Effect, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { type Network, network } from "./network.ts"

const program = fileURLToPath(new URL("../../dist/main.js", import.meta.url))

/** An answer to `add` or `read`. */
export interface Count {
  readonly value: number
  /** The runner that hosts the counter. */
  readonly on: string
}

/** A process, and what it has said. */
class Program {
  readonly child: ChildProcess
  /** What it said that is no answer: its own lines, and the log. */
  readonly said: Array<string> = []
  private readonly waiting = new Map<string, (answer: string) => void>()
  private readonly listeners = new Set<() => void>()
  private asked = 0

  constructor(env: Record<string, string>) {
    this.child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program], {
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "inherit"]
    })
    // The process may be killed while it is asked.
    this.child.stdin!.on("error", () => {})
    createInterface({ input: this.child.stdout! }).on("line", (line) => {
      const [, number, answer] = /^(\d+): (.*)$/u.exec(line) ?? []
      const resume = number === undefined ? undefined : this.waiting.get(number)
      if (resume !== undefined) return resume(answer!)
      this.said.push(line)
      for (const listener of this.listeners) listener()
    })
  }

  /** The first line that matches. */
  says(pattern: RegExp): Effect.Effect<RegExpExecArray> {
    return Effect.callback<RegExpExecArray>((resume) => {
      const look = () => {
        for (const line of this.said) {
          const match = pattern.exec(line)
          if (match !== null) return resume(Effect.succeed(match))
        }
      }
      this.listeners.add(look)
      look()
      return Effect.sync(() => this.listeners.delete(look))
    })
  }

  /** The answer to a command. There is none from a process that dies. */
  ask(command: string): Effect.Effect<string> {
    return Effect.callback<string>((resume) => {
      const number = String(++this.asked)
      this.waiting.set(number, (answer) => {
        this.waiting.delete(number)
        resume(Effect.succeed(answer))
      })
      this.child.stdin!.write(`${number}: ${command}\n`)
      return Effect.sync(() => this.waiting.delete(number))
    })
  }

  readonly kill: Effect.Effect<void> = Effect.callback<void>((resume) => {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return resume(Effect.void)
    this.child.once("exit", () => resume(Effect.void))
    this.child.kill("SIGKILL")
  })
}

/** A runner, which can be killed and started again with the same key. */
export class Runner {
  readonly peerId: PeerId.PeerId
  readonly place: Network["places"][number]
  private readonly env: Record<string, string>
  private program: Program | undefined

  constructor(peerId: PeerId.PeerId, place: Network["places"][number], env: Record<string, string>) {
    this.peerId = peerId
    this.place = place
    this.env = env
  }

  /** What the cluster calls it. */
  get name(): string {
    return `${this.peerId}@127.0.0.1:${this.place.port}`
  }

  /** Starts the process, and is done when it runs. */
  readonly start: Effect.Effect<void> = Effect.suspend(() => {
    const program = new Program({
      ...this.env,
      CLUSTER_LOCAL_ADDRESS: "127.0.0.1:0",
      CLUSTER_EXTERNAL_IP: "127.0.0.1",
      CLUSTER_EXTERNAL_PORT: String(this.place.port)
    })
    this.program = program
    return Effect.map(program.says(/^runner (\S+) listens on 127\.0\.0\.1:(\d+)$/u), ([, name, port]) => {
      if (name !== this.name) throw new Error(`${this.name} calls itself ${name}`)
      this.place.runnerPort = Number(port)
    })
  })

  /** Kills the process, which has no time to do anything. */
  readonly kill: Effect.Effect<void> = Effect.suspend(() => this.program?.kill ?? Effect.void)

  /** The answer to a command: see `commands.ts`. */
  ask(command: string): Effect.Effect<string> {
    return Effect.suspend(() => this.program!.ask(command))
  }

  /** How many shards it has. */
  get shards(): Effect.Effect<number> {
    return Effect.map(this.ask("shards"), (answer) => Number(answer.replace("shards ", "")))
  }

  /** Whether it runs a singleton. */
  has(singleton: string): Effect.Effect<boolean> {
    return Effect.map(this.ask(`has ${singleton}`), (answer) => answer.endsWith("yes"))
  }

  /** Adds to a counter. */
  add(counter: string, amount: number): Effect.Effect<Count> {
    return Effect.map(this.ask(`add ${counter} ${amount}`), count)
  }

  /** Reads a counter. */
  read(counter: string): Effect.Effect<Count> {
    return Effect.map(this.ask(`read ${counter}`), count)
  }
}

const count = (answer: string): Count => {
  const [, value, on] = /^counter \S+ is (-?\d+) on (\S+)$/u.exec(answer) ?? []
  if (on === undefined) throw new Error(answer)
  return { value: Number(value), on }
}

/** A cluster: its runners, none of which has started, and the network between them. */
export interface Cluster {
  readonly runners: readonly [Runner, Runner, Runner]
  readonly network: Network
  /** The file that the runners share. */
  readonly database: string
  /** The files with the keys of the runners. */
  readonly keys: readonly [string, string, string]
}

/** A cluster of three, whose processes are killed at the end of the scope. */
export const cluster: Effect.Effect<Cluster, never, Scope.Scope> = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "qp2p-cluster-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const between = yield* network(3)
  const keys = [0, 1, 2].map((index) => join(folder, `${index}.key`))
  const ids = yield* Effect.forEach(keys, (key) =>
    Effect.orDie(Effect.map(NodeIdentity.fromFile(key), ({ peerId }) => peerId))
  )
  const database = join(folder, "cluster.db")
  const runners = yield* Effect.forEach(ids, (id, index) =>
    Effect.acquireRelease(
      Effect.sync(
        () =>
          new Runner(id, between.places[index]!, {
            CLUSTER_DATABASE: database,
            CLUSTER_IDENTITY: keys[index]!,
            CLUSTER_MEMBERS: ids.join(" ")
          })
      ),
      (runner) => runner.kill
    )
  )
  return {
    runners: runners as unknown as Cluster["runners"],
    network: between,
    database,
    keys: keys as unknown as Cluster["keys"]
  }
})

/** Repeats a look at something that changes, until it is as it should be. */
export const until = <A, E, R>(look: Effect.Effect<A, E, R>, isGood: (seen: A) => boolean): Effect.Effect<A, E, R> =>
  Effect.repeat(Effect.delay(look, "100 millis"), { until: isGood })
