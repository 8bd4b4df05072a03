/**
 * What happens when, on Effect's clock.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"

/**
 * Actions run one at a time, never from within the call that schedules them: by time, and in the order of scheduling
 * when the time is the same. Times are milliseconds.
 */
export interface Timeline {
  readonly now: () => number
  /** Without a delay: on the next turn of the scheduler. With an infinite one: never. The function returned cancels. */
  readonly schedule: (delay: number, action: () => void) => () => void
}

interface Entry {
  readonly due: number
  action: () => void
}

export const make: Effect.Effect<Timeline, never, Scope.Scope> = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const clock = yield* Clock.Clock
  const context = yield* Effect.context()
  const dispatcher = Context.get(context, Scheduler.Scheduler).makeDispatcher()
  const fork = Effect.runForkWith(context)

  // Nanoseconds do not survive as milliseconds: what a sleeper was to wake at has come when it wakes.
  let reached = 0
  const now = () => Math.max(reached, Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000)

  let ready: Array<Entry> = []
  const run = () => {
    const turn = ready
    ready = []
    for (const entry of turn) entry.action()
  }
  const enqueue = (entries: Array<Entry>) => {
    if (ready.length === 0 && entries.length > 0) dispatcher.scheduleTask(run, 0)
    for (const entry of entries) ready.push(entry)
  }

  // Latest first, so that the next one is popped.
  const waiting: Array<Entry> = []
  const sleepers = new Set<number>()

  // One sleeper for each time, started before `schedule` returns: a test that adjusts the clock right after cannot
  // step over it.
  const sleep = () => {
    const due = waiting.at(-1)?.due
    if (due === undefined || sleepers.has(due)) return
    sleepers.add(due)
    const wake = Effect.sync(() => {
      sleepers.delete(due)
      reached = Math.max(reached, due)
      const time = now()
      const index = waiting.findLastIndex((entry) => entry.due > time)
      enqueue(waiting.splice(index + 1).toReversed())
      sleep()
    })
    Fiber.runIn(fork(Effect.andThen(Effect.sleep(Duration.millis(due - now())), wake)), scope)
  }

  const schedule = (delay: number, action: () => void) => {
    const entry: Entry = { due: now() + delay, action }
    if (delay <= 0) enqueue([entry])
    else if (delay < Number.POSITIVE_INFINITY) {
      let index = waiting.length
      while (index > 0 && waiting[index - 1]!.due <= entry.due) index--
      waiting.splice(index, 0, entry)
      sleep()
    }
    return () => {
      entry.action = () => {}
    }
  }

  return { now, schedule }
})
