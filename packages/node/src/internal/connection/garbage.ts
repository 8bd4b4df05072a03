/**
 * Brings on a collection of garbage.
 *
 * That a program has let go of a stream is noticed when its handle is collected. A program that waits for nothing but a
 * place for one more stream makes no garbage, so it may come to that only after minutes.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { longestCollectionPause } from "../tunables.ts"

/** V8's own, which it gives to contexts that are made while it is told to expose it. */
const exposed = (): (() => void) => {
  try {
    setFlagsFromString("--expose-gc")
    const collect: unknown = runInNewContext("gc")
    setFlagsFromString("--no-expose-gc")
    if (typeof collect === "function") return () => void collect()
  } catch {
    // Another engine than V8 collects when it likes.
  }
  return () => {}
}

let collector: (() => void) | undefined = undefined

const collectNow = (): void => (collector ??= exposed())()

export class GarbageCollection {
  private readonly collect: () => void
  private pause = 1
  private left = 0
  private progress = 0

  constructor(collect: () => void = collectNow) {
    this.collect = collect
  }

  /**
   * Called at each look at which a collection may help; brings one on, less and less often as long as there is no
   * `progress`.
   */
  mayHelp(progress: number): void {
    if (progress !== this.progress) this.isOver()
    this.progress = progress
    if (this.left > 0) {
      this.left -= 1
      return
    }
    this.collect()
    this.left = this.pause - 1
    this.pause = Math.min(2 * this.pause, longestCollectionPause)
  }

  /** There is nothing to wait for any more. */
  isOver(): void {
    this.pause = 1
    this.left = 0
  }
}
