/**
 * Runs a cluster of three runners on this machine, each in a process of its own, and shows what happens when one dies.
 */
// This file starts processes and talks to them: it has no services that would stand for Node's modules.
// @effect-diagnostics nodeBuiltinImport:off
// @effect-diagnostics newPromise:off
import { NodeRuntime } from "@effect/platform-node"
import { NodeIdentity } from "@qp2p/node"
import { Console, Effect, Fiber } from "effect"
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { Readable, Writable } from "node:stream"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("main.js", import.meta.url))

const names = ["Ann", "Bob", "Cid"]

/** A folder for the file that the runners share, and for their keys. */
const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "cluster-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** A runner's process. It ends with the scope. */
class Runner {
  private readonly child: ChildProcessByStdio<Writable, Readable, null>
  private readonly waiting = new Map<string, (answer: string) => void>()
  private asked = 0
  /** Waits until the runner has started. */
  readonly started: Effect.Effect<string>

  constructor(env: Record<string, string>) {
    const args = ["--disable-warning=ExperimentalWarning", program]
    this.child = spawn(process.execPath, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "inherit"] })
    const started = this.answerTo("runner")
    this.started = Effect.promise(() => started)
    // A runner that is killed may be asked once more.
    this.child.stdin.on("error", () => {})
    createInterface({ input: this.child.stdout }).on("line", (line) => {
      const [, number = "runner", answer = line] = /^(\d+): (.*)$/u.exec(line) ?? []
      this.waiting.get(number)?.(answer)
    })
  }

  private answerTo(number: string): Promise<string> {
    return new Promise((resolve) => this.waiting.set(number, resolve))
  }

  /** The answer to a command: see `commands.ts`. */
  ask(command: string): Effect.Effect<string> {
    return Effect.promise(() => {
      const number = String(++this.asked)
      this.child.stdin.write(`${number}: ${command}\n`)
      return this.answerTo(number)
    })
  }

  kill(): void {
    this.child.kill("SIGKILL")
  }
}

const start = (env: Record<string, string>) =>
  Effect.acquireRelease(
    Effect.sync(() => new Runner(env)),
    (runner) => Effect.sync(() => runner.kill())
  )

const demo = Effect.gen(function* () {
  const path = yield* folder
  const keys = names.map((name) => join(path, `${name}.key`))
  const ids = yield* Effect.forEach(keys, (key) => Effect.map(NodeIdentity.fromFile(key), ({ peerId }) => peerId))
  const runners = yield* Effect.forEach(keys, (key) =>
    start({
      CLUSTER_DATABASE: join(path, "cluster.db"),
      CLUSTER_IDENTITY: key,
      CLUSTER_MEMBERS: ids.join(" "),
      CLUSTER_LOCAL_ADDRESS: "127.0.0.1:0"
    })
  )
  yield* Effect.forEach(runners, ({ started }) => started)
  for (const [index, name] of names.entries()) yield* Console.log(`${name} is ${ids[index]}`)
  /** Replaces addresses of runners by their names. */
  const named = (text: string) =>
    ids.reduce((all, id, index) => all.replaceAll(new RegExp(`${id}@\\S+`, "gu"), names[index]!), text)

  // As long as the shards move, some answers take a moment longer.
  const shares = Effect.forEach(runners, (runner) => runner.ask("shards"))
  yield* Effect.repeat(Effect.delay(shares, "200 millis"), {
    until: (each) => each.every((text) => text !== "shards 0")
  })

  const [ann, bob, cid] = runners as [Runner, Runner, Runner]
  const fruits = ["apples", "pears", "plums", "quinces", "cherries", "medlars"]
  yield* Console.log("\nEach runner adds one to each counter, wherever it lives:")
  for (const runner of runners)
    yield* Effect.forEach(fruits, (fruit) => runner.ask(`add ${fruit} 1`), { concurrency: 6 })
  for (const fruit of fruits) yield* Console.log(named(yield* ann.ask(`read ${fruit}`)))

  const parcel = yield* Effect.forkChild(ann.ask("parcel books 3000"))
  yield* Console.log("\nCid dies. The counters that lived there move to the others, with their numbers:")
  cid.kill()
  yield* Effect.forEach(fruits, (fruit) => bob.ask(`add ${fruit} 1`), { concurrency: 6 })
  for (const fruit of fruits) yield* Console.log(named(yield* ann.ask(`read ${fruit}`)))

  yield* Console.log("\nA parcel was sent before Cid died. It is a workflow: it arrives, whoever of its runners dies:")
  yield* Console.log(named(yield* Fiber.join(parcel)))
})

demo.pipe(Effect.scoped, Effect.timeout("8 minutes"), NodeRuntime.runMain)
