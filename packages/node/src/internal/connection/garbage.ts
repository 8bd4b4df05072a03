/**
 * Requests garbage collections.
 *
 * The endpoint notices that a program has dropped a stream when the handle of the stream is collected. A program that only
 * waits for a place for one more stream makes no garbage, so a collection may come after minutes.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { maxCollectionPause, maxQuickHeap } from "../tunables/garbage.ts"

/** V8's `gc`, which contexts have that are made while the flag is set. */
const exposed = (): (() => void) => {
  try {
    setFlagsFromString("--expose-gc")
    const collect: unknown = runInNewContext("gc")
    setFlagsFromString("--no-expose-gc")
    if (typeof collect === "function") return () => void collect()
  } catch {
    // Engines other than V8 collect when they like.
  }
  return () => {}
}

let collector: (() => void) | undefined = undefined

const collectNow = (): void => (collector ??= exposed())()

/** Collects garbage unless the heap of the program is `maxQuickHeap` or larger. */
export const collectIfQuick = (heapUsed = process.memoryUsage().heapUsed, collect = collectNow): void => {
  if (heapUsed < maxQuickHeap) collect()
}

/** Requests garbage collections for one connection, with pauses that double, up to `maxCollectionPause` sweeps. */
export class GarbageCollection {
  private readonly collect: () => void
  private pause = 1
  private left = 0
  private progress = 0

  constructor(collect: () => void = collectNow) {
    this.collect = collect
  }

  /**
   * Called at each sweep at which a collection may help. Requests one, less and less often as long as `progress` stays the
   * same.
   */
  tick(progress: number): void {
    if (progress !== this.progress) this.reset()
    this.progress = progress
    if (this.left > 0) {
      this.left -= 1
      return
    }
    this.collect()
    this.left = this.pause - 1
    this.pause = Math.min(2 * this.pause, maxCollectionPause)
  }

  /** No stream waits any more. */
  reset(): void {
    this.pause = 1
    this.left = 0
  }
}
