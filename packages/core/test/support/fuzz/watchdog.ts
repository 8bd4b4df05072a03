/**
 * Ends a process whose check of an input does not end, and says which input it was: nothing else can, since the check is
 * synchronous.
 */
import { Worker } from "node:worker_threads"

/** How long the check of one input may take, in milliseconds: a thousand times what it takes. */
const patience = 60_000

const program = `
const { workerData } = require("node:worker_threads")
const { mkdirSync, writeFileSync, writeSync } = require("node:fs")
const { dirname } = require("node:path")
const { counter, file, input, patience } = workerData
let last = -1
setInterval(() => {
  const now = Atomics.load(counter, 0)
  if (now !== last || now === 0) { last = now; return }
  const bytes = Buffer.from(input.subarray(0, Atomics.load(counter, 1)))
  const text = bytes.toString("hex") + "\\n"
  writeSync(2, "The check of an input does not end: " + text)
  if (file !== undefined) {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    writeSync(2, "It is saved as " + file + "\\n")
  }
  process.kill(process.pid, "SIGKILL")
}, patience)
`

/** Watches one check after the other. */
export interface Watchdog {
  /** A check begins. */
  readonly begin: (input: Uint8Array) => void
  readonly stop: () => Promise<unknown>
}

/** Starts a watchdog, which saves an input that does not end to `file`, if there is one. */
export const start = (maxLength: number, file: string | undefined): Watchdog => {
  const counter = new Int32Array(new SharedArrayBuffer(8))
  const copy = new Uint8Array(new SharedArrayBuffer(maxLength))
  const worker = new Worker(program, {
    eval: true,
    execArgv: [],
    env: {},
    workerData: { counter, input: copy, file, patience }
  })
  worker.unref()
  return {
    begin: (input) => {
      copy.set(input.subarray(0, maxLength))
      Atomics.store(counter, 1, Math.min(input.length, maxLength))
      Atomics.add(counter, 0, 1)
    },
    stop: () => worker.terminate()
  }
}
