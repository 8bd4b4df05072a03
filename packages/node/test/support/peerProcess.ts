/**
 * Peers in processes of their own, which can be killed. They are built: the processes run the package as it is installed.
 */
import * as Effect from "effect/Effect"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

/** Processes take their time to start where others do, too. In milliseconds. */
export const limit = 120_000

const script = fileURLToPath(new URL("../programs/peer.mjs", import.meta.url))

/** A peer, and what it has said. */
export class PeerProcess {
  readonly child: ChildProcess
  readonly said: Array<string> = []
  private readonly listeners = new Set<() => void>()

  constructor(port: number, dial: string | undefined, keyFile: string | undefined) {
    const args = [String(port), dial ?? "", ...(keyFile === undefined ? [] : [keyFile])]
    this.child = spawn(process.execPath, [script, ...args], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    createInterface({ input: this.child.stdout! }).on("line", (line) => {
      this.said.push(line)
      for (const listener of this.listeners) listener()
    })
  }

  /** Waits until it has said this. */
  says(line: string): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const look = () => {
        if (this.said.includes(line)) resume(Effect.void)
      }
      this.listeners.add(look)
      look()
      return Effect.sync(() => this.listeners.delete(look))
    })
  }

  readonly kill: Effect.Effect<void> = Effect.callback<void>((resume) => {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return resume(Effect.void)
    this.child.once("exit", () => resume(Effect.void))
    this.child.kill("SIGKILL")
  })
}

/** Starts a peer, which is killed at the end of the scope. It has the key in a file, if it is given one. */
export const startPeer = (port: number, dial?: string, keyFile?: string) =>
  Effect.acquireRelease(
    Effect.sync(() => new PeerProcess(port, dial, keyFile)),
    (peer) => peer.kill
  ).pipe(Effect.tap((peer) => peer.says("ready")))

/** A file for a key, which the first peer makes. */
export const keyFile = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "qp2p-restarts-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  ),
  (directory) => join(directory, "node.key")
)
