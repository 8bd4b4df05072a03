/** The shared streams of a client, whose callers are interrupted at any time. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Scheduler from "effect/Scheduler"
import * as answering from "../../../src/internal/client/answers.ts"
import { Sessions } from "../../../src/internal/client/sessions.ts"
import * as office from "../../support/office.ts"

const make = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const serialization = yield* RpcSerialization.RpcSerialization
  const answers = answering.make(serialization, { maxResponseSize: 1_024, priority: 0 }, scope, () => Effect.void)
  const seen = { opened: 0 }
  const open = Effect.andThen(
    Effect.sync(() => seen.opened++),
    Effect.never
  )
  return { seen, sessions: new Sessions(answers, open, scope, Context.empty()) }
})

describe("the caller that needs a shared stream", () => {
  it.effect("leaves none that nobody opens, wherever it is interrupted", () =>
    Effect.gen(function* () {
      let interrupted = 0
      for (const steps of [3, 4, 5]) {
        for (let turns = 0; turns < 8; turns++) {
          const { seen, sessions } = yield* make
          // The caller lets others run after so many steps.
          const taking = Effect.provideService(sessions.take, Scheduler.MaxOpsBeforeYield, steps)
          const caller = yield* Effect.forkChild(taking)
          yield* office.turns(turns)
          if (caller.pollUnsafe() === undefined) interrupted++
          yield* Fiber.interrupt(caller)
          yield* office.turns(20)
          if (sessions.available === undefined) continue
          assert.strictEqual(seen.opened, 1, `interrupted after ${turns} turns of ${steps} steps`)
        }
      }
      assert.isAbove(interrupted, 3)
    }).pipe(Effect.scoped, Effect.provide(office.layer))
  )
})
