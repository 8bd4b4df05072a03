/**
 * Protocols whose callers are interrupted at any step.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import { endpoint, onNetwork, settle } from "./support/memoryEndpoints.ts"
import { bareAcceptor } from "./support/protocols.ts"

const turns = (count: number) => Effect.forEach(Array.from({ length: count }), () => Effect.yieldNow, { discard: true })

/** Interrupts an effect after each number of turns; others run after every few of its steps. Returns how often it was not done. */
const interrupted = <A, E, R, E2, R2>(effect: Effect.Effect<A, E, R>, check: Effect.Effect<void, E2, R2>) =>
  Effect.gen(function* () {
    let count = 0
    for (const steps of [3, 4, 5, 6]) {
      let isDone = false
      for (let after = 0; !isDone; after++) {
        const fiber = yield* Effect.forkChild(Effect.provideService(effect, Scheduler.MaxOpsBeforeYield, steps))
        yield* turns(after)
        isDone = fiber.pollUnsafe() !== undefined
        if (!isDone) count++
        yield* Fiber.interrupt(fiber)
        yield* check
      }
    }
    return count
  })

describe("an interrupted caller", () => {
  it.effect("leaves no stream open that it has opened", () =>
    onNetwork(
      Effect.gen(function* () {
        const one = yield* endpoint("10.0.0.1:1")
        const { streams } = yield* bareAcceptor("10.0.0.6:6")
        const connection = yield* one.connectTo("10.0.0.6:6")
        const opening = Effect.scoped(Effect.asVoid(connection.openProtocol("hold")))
        const check = Effect.andThen(
          settle,
          Effect.sync(() => {
            for (const { ends } of streams) assert.lengthOf(ends, 1)
          })
        )
        assert.isAbove(yield* interrupted(opening, check), 10)
        assert.isAbove(streams.length, 0)
      })
    )
  )

  it.effect("leaves no name taken that it does not serve", () =>
    onNetwork(
      Effect.gen(function* () {
        const one = yield* endpoint("10.0.0.1:1")
        const serving = Effect.scoped(one.serveProtocol("name", () => Effect.void))
        assert.isAbove(yield* interrupted(serving, Effect.scoped(one.serveProtocol("name", () => Effect.void))), 5)
      })
    )
  )
})
