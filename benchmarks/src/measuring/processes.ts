/** Starts the processes of one sample, brings them together, and ends them. */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { openRelay } from "../network/relay.ts"
import type { Network } from "../workload.ts"
import type { FromChild, FromParent, Task } from "./protocol.ts"
import type { Figures } from "./results.ts"

const program = fileURLToPath(new URL("child.js", import.meta.url))

/** Longest that a process may need to leave its profile, in milliseconds. */
const profilePatience = 30_000

/** What is kept of what a process wrote to stderr, in characters. */
const keptErrors = 2000

class Child {
  private readonly process: ChildProcess
  private readonly role: Task["role"]
  private readonly exited: Promise<unknown>
  private readonly profiled: boolean
  private errors = ""

  constructor(task: Task) {
    this.role = task.role
    this.profiled = task.profileTo !== undefined
    this.process = fork(program, [JSON.stringify(task)], {
      execArgv: ["--expose-gc"],
      stdio: ["ignore", "ignore", "pipe", "ipc"]
    })
    this.exited = once(this.process, "exit")
    this.process.stderr?.on("data", (chunk: Buffer) => {
      this.errors = (this.errors + chunk.toString()).slice(-keptErrors)
    })
  }

  tell(message: FromParent): void {
    this.process.send(message)
  }

  onMessage(take: (message: FromChild) => void): void {
    this.process.on("message", (message) => take(message as FromChild))
  }

  /** Rejects when it fails or ends. */
  readonly failed = (): Promise<never> =>
    new Promise((_, reject) => {
      this.onMessage((message) => {
        if (message.kind === "failed") reject(new Error(`${this.role}: ${message.reason}`))
      })
      this.process.once("error", reject)
      this.process.once("exit", (code, signal) => {
        // What it said of the reason may still be on its way.
        setTimeout(() => reject(new Error(`${this.role}: ended with ${signal ?? code}. ${this.errors}`)), 200)
      })
    })

  readonly next = <K extends FromChild["kind"]>(kind: K): Promise<Extract<FromChild, { readonly kind: K }>> =>
    new Promise((resolve) => {
      this.onMessage((message) => {
        if (message.kind === kind) resolve(message as Extract<FromChild, { readonly kind: K }>)
      })
    })

  async end(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    if (this.profiled && this.process.connected) {
      // It leaves its profile then, and ends by itself.
      this.process.disconnect()
      const timer = setTimeout(() => this.process.kill("SIGKILL"), profilePatience)
      await this.exited
      clearTimeout(timer)
      return
    }
    this.process.kill("SIGKILL")
    await this.exited
  }
}

/** One sample: `limit` milliseconds after its beginning it has failed. */
export const measure = async (
  task: Omit<Task, "role">,
  network: (Network & { readonly carrier: "udp" | "tcp" }) | undefined,
  limit: number
): Promise<Figures> => {
  const listener = new Child({ ...task, role: task.mode === "one" ? "both" : "listener" })
  const dialler = task.mode === "one" ? listener : new Child({ ...task, role: "dialler" })
  const ends = task.mode === "one" ? [listener] : [listener, dialler]
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`took more than ${Math.round(limit / 1000)} s`)), limit)
  })
  const trouble = Promise.race([late, ...ends.map((end) => end.failed())])
  // It is heard of below, where something waits for it.
  trouble.catch(() => {})
  const before = <A>(step: Promise<A>): Promise<A> => Promise.race([step, trouble])
  let relay: Awaited<ReturnType<typeof openRelay>> | undefined

  try {
    const ready = dialler.next("ready")
    const listening = listener.next("listening")
    if (dialler !== listener) {
      dialler.onMessage((message) => message.kind === "question" && listener.tell(message))
      listener.onMessage((message) => message.kind === "answer" && dialler.tell(message))
      await before(ready)
    }
    const { address } = await before(listening)
    if (network !== undefined) relay = await before(openRelay(address, network))
    const figures = dialler.next("figures")
    dialler.tell({ kind: "dial", address: relay?.address ?? address })
    return (await before(figures)).figures
  } finally {
    clearTimeout(timer)
    await Promise.all(ends.map((end) => end.end()))
    await relay?.close()
  }
}
