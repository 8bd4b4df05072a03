/** A program of the kit in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import type { Network } from "./network.ts"

/** What a program tells its parent. */
export type Told = Readonly<Record<string, unknown>>

export class Child {
  readonly pid: number
  /** How many lines it has printed. */
  lines = 0
  /** The last lines, for a failure. */
  readonly tail: Array<string> = []
  private readonly process: ChildProcess
  private readonly told: Array<Told> = []
  private wake: (() => void) | undefined

  /** What the program leaves in its temporary directory, `directory`, is its parent's to remove: it may be killed. */
  constructor(network: Network, directory: string, program: string, args: ReadonlyArray<string>) {
    const file = fileURLToPath(new URL(`../programs/${program}.mjs`, import.meta.url))
    const [command, ...rest] = [...network.inside, process.execPath, "--expose-gc", file, ...args] as [
      string,
      ...Array<string>
    ]
    this.process = spawn(command, rest, {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: { ...process.env, NODE_OPTIONS: "", TMPDIR: directory }
    })
    this.pid = this.process.pid ?? 0
    this.process.on("message", (message: Told) => {
      this.told.push(message)
      this.wake?.()
    })
    this.process.on("exit", () => this.wake?.())
    for (const output of [this.process.stdout!, this.process.stderr!]) {
      output.setEncoding("utf8").on("data", (chunk: string) => this.print(chunk))
    }
  }

  get isAlive(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null
  }

  /**
   * The next thing that the program tells with this name; undefined when it ends first, or after `limit` milliseconds.
   */
  async hear(name: string, limit: number): Promise<unknown> {
    const end = performance.now() + limit
    while (true) {
      const at = this.told.findIndex((message) => name in message)
      if (at !== -1) return this.told.splice(at, 1)[0]![name]
      const left = end - performance.now()
      if (!this.isAlive || left <= 0) return undefined
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  /** Asks the program, and hears its report. */
  async ask(question: string, limit: number): Promise<unknown> {
    if (!this.isAlive) return undefined
    this.process.send(question)
    return await this.hear("report", limit)
  }

  tell(what: string): void {
    if (this.isAlive) this.process.send(what)
  }

  async kill(): Promise<void> {
    if (!this.isAlive) return
    const ended = once(this.process, "exit")
    this.process.kill("SIGKILL")
    await ended
  }

  private print(chunk: string): void {
    const lines = chunk.split("\n").filter((line) => line !== "")
    this.lines += lines.length
    this.tail.push(...lines.slice(-20))
    this.tail.splice(0, Math.max(0, this.tail.length - 20))
  }
}
