import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"

/** What the listening program says when it is asked: what its application was handed, and its processor time so far. */
export interface Handed {
  readonly messages: number
  readonly bytes: number
  readonly processorSeconds: number
}

/** What a program measured; the times are in milliseconds. */
export interface Measured {
  readonly count: number
  readonly seconds: number
  readonly processorSeconds: number
  readonly p50?: number
  readonly p99?: number
  readonly freshP50?: number
  readonly freshP99?: number
}

/** What the dialling program says when it is done. */
export interface Done {
  readonly figures: Measured
  /** The warm-up included. */
  readonly sent: Omit<Handed, "processorSeconds">
}

/** One of the programs of `rust/`, which answers in lines of JSON. */
export class Program {
  private readonly child: ChildProcessWithoutNullStreams
  private readonly lines: AsyncIterator<string>
  private readonly ended: Promise<unknown>
  private complaints = ""

  /** It is killed when it runs longer than the `limit`, in milliseconds. */
  constructor(path: string, words: ReadonlyArray<string>, limit: number) {
    const child = spawn(path, words, { timeout: limit, killSignal: "SIGKILL" })
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.complaints += text))
    // A program that ended by itself tells why on stderr; what was still to be written to it is of no interest.
    child.stdin.on("error", () => {})
    this.ended = once(child, "close").catch((cause: unknown) => (this.complaints += String(cause)))
    this.lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    this.child = child
  }

  /** The next line that it prints. */
  async next<A>(): Promise<A> {
    const line = await this.lines.next()
    if (line.done !== true) return JSON.parse(line.value) as A
    await this.ended
    const { signalCode, spawnargs } = this.child
    throw new Error(
      this.complaints.trim() || `no answer from ${spawnargs.slice(1).join(" ")} (${signalCode ?? "it ended"})`
    )
  }

  async ask<A>(): Promise<A> {
    this.child.stdin.write("\n")
    return this.next()
  }

  /** Lets it end; what does not is killed. */
  async close(): Promise<void> {
    this.child.stdin.end()
    const timer = setTimeout(() => this.child.kill("SIGKILL"), 2000)
    await this.ended
    clearTimeout(timer)
  }
}
