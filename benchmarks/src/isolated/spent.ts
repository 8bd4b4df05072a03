/** What a piece of work costs: time, memory that was allocated, fibers that were started. */
import { PerformanceObserver } from "node:perf_hooks"
import { setImmediate as turn } from "node:timers/promises"
import * as Effect from "effect/Effect"

export interface Spent {
  readonly nanoseconds: number
  /** Undefined when a garbage collection came between. */
  readonly bytes: number | undefined
  readonly fibers: number
}

/** Fibers are numbered as they start. */
const fibersStarted = () => Effect.runSync(Effect.map(Effect.fiber, ({ id }) => id))

const warmUps = 5

/** For each of `count` times that `work` repeats; needs `--expose-gc`, and room for all that is allocated in a run. */
export const spentBy = async (count: number, work: (count: number) => Promise<void>): Promise<Spent> => {
  for (let left = warmUps; left > 0; left--) await work(count)
  let collections = 0
  const observer = new PerformanceObserver((list) => (collections += list.getEntries().length))
  globalThis.gc?.()
  await turn()
  observer.observe({ entryTypes: ["gc"] })
  const [heap, fibers, begin] = [process.memoryUsage().heapUsed, fibersStarted(), performance.now()]
  await work(count)
  const nanoseconds = ((performance.now() - begin) * 1e6) / count
  const [heapAfter, fibersAfter] = [process.memoryUsage().heapUsed, fibersStarted()]
  await turn()
  observer.disconnect()
  return {
    nanoseconds,
    bytes: collections === 0 ? (heapAfter - heap) / count : undefined,
    // One of them is the question itself.
    fibers: (fibersAfter - fibers - 1) / count
  }
}
