/**
 * A scheduler that runs nothing by itself: whoever drives it knows when nothing is left to happen before time passes.
 */
import * as Scheduler from "effect/Scheduler"
import { xorshift } from "./payload.ts"

/** More turns than anything takes that comes to an end. */
const tooMany = 200_000

/** Turns that microtasks may take to set off the next task: a promise's `then` may wait for another's. */
const patience = 4

export class Turns {
  private readonly queue: Array<() => void> = []
  private readonly next: () => number
  /** Provide it as `Scheduler.Scheduler`. */
  readonly scheduler: Scheduler.Scheduler

  /** `seed` 0 takes turns in order; any other one shuffles them among fibers, and always in the same way. */
  constructor(seed: number) {
    const random = xorshift(seed)
    this.next = seed === 0 ? () => 0 : () => random() % this.queue.length
    this.scheduler = new Scheduler.MixedScheduler("async", (task) => {
      this.queue.push(task)
      return () => {
        const index = this.queue.indexOf(task)
        if (index !== -1) this.queue.splice(index, 1)
      }
    })
  }

  /** Has `task` run in a turn of its own. */
  readonly later = (task: () => void): void => void this.queue.push(task)

  /** Runs until nothing is left to run, or for `limit` turns. Answers whether nothing is left. */
  async drain(limit = Infinity): Promise<boolean> {
    let turns = 0
    for (let left = limit; left > 0; left--) {
      for (let i = 0; i < patience && this.queue.length === 0; i++) await Promise.resolve()
      if (this.queue.length === 0) return true
      if (turns++ > tooMany) throw new Error("something goes on and on, in no time")
      const [task] = this.queue.splice(this.next(), 1)
      task!()
      await Promise.resolve()
    }
    return false
  }
}
