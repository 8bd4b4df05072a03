/** The order of events on Effect's clock. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"

/**
 * Schedules actions. They run one at a time, never from within `schedule`: by time, and in the order of scheduling when
 * the time is equal. Times are in milliseconds.
 */
export interface Timeline {
  readonly now: () => number
  /**
   * Without a delay the action runs on the next turn of the scheduler; with an infinite one, never. The returned
   * function cancels it.
   */
  readonly schedule: (delay: number, action: () => void) => () => void
}

interface Entry {
  action: () => void
}

/** The actions that are due at one time. Many events of a network share their time, and waking up is what costs. */
interface Moment {
  readonly due: number
  /** The exact time of the latest of them, less than a microsecond away. */
  exact: number
  readonly entries: Array<Entry>
}

/** Makes a timeline on Effect's clock. It runs nothing after its scope has closed. */
export const make: Effect.Effect<Timeline, never, Scope.Scope> = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const clock = yield* Clock.Clock
  const context = yield* Effect.context()
  const dispatcher = Context.get(context, Scheduler.Scheduler).makeDispatcher()
  const fork = Effect.runForkWith(context)

  // A time in milliseconds may round below the nanoseconds that a sleeper waits for: when it wakes, its time counts as
  // reached.
  let reached = 0
  const now = () => Math.max(reached, Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000)

  let ready: Array<Entry> = []
  const run = () => {
    const turn = ready
    ready = []
    for (const entry of turn) entry.action()
  }
  const enqueue = (entries: ReadonlyArray<Entry>) => {
    if (ready.length === 0 && entries.length > 0) dispatcher.scheduleTask(run, 0)
    for (const entry of entries) ready.push(entry)
  }

  // Latest first, so that the next one is popped.
  const waiting: Array<Moment> = []
  const moments = new Map<number, Moment>()
  const sleepers = new Set<number>()

  /** Rounds to whole microseconds: floating-point errors would split one moment in two. */
  const rounded = (millis: number) => Math.round(millis * 1_000) / 1_000

  const momentAt = (exact: number): Moment => {
    const due = rounded(exact)
    const known = moments.get(due)
    if (known !== undefined) {
      known.exact = Math.max(known.exact, exact)
      return known
    }
    const moment: Moment = { due, exact, entries: [] }
    moments.set(due, moment)
    let low = 0
    let high = waiting.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (waiting[middle]!.due > due) low = middle + 1
      else high = middle
    }
    waiting.splice(low, 0, moment)
    return moment
  }

  // One sleeper for each time, started before `schedule` returns, so that a test that adjusts the clock right after
  // cannot step over it.
  const sleep = () => {
    const due = waiting.at(-1)?.due
    if (due === undefined || sleepers.has(due)) return
    sleepers.add(due)
    const wake = Effect.sync(() => {
      sleepers.delete(due)
      reached = Math.max(reached, due)
      const time = now()
      while (waiting.length > 0 && waiting.at(-1)!.due <= time) {
        const moment = waiting.pop()!
        reached = Math.max(reached, moment.exact)
        moments.delete(moment.due)
        enqueue(moment.entries)
      }
      sleep()
    })
    Fiber.runIn(fork(Effect.andThen(Effect.sleep(Duration.millis(rounded(due - now()))), wake)), scope)
  }

  const schedule = (delay: number, action: () => void) => {
    const entry: Entry = { action }
    if (delay <= 0) enqueue([entry])
    else if (delay < Number.POSITIVE_INFINITY) {
      momentAt(now() + delay).entries.push(entry)
      sleep()
    }
    return () => {
      entry.action = () => {}
    }
  }

  return { now, schedule }
})
