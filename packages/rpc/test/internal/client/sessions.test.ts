/** The shared streams of a client, whose callers are interrupted at any time. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as answering from "../../../src/internal/client/answers.ts"
import { Sessions } from "../../../src/internal/client/sessions.ts"
import * as limits from "../../../src/internal/limits.ts"
import { encode, FrameKind } from "../../../src/internal/wire/frame.ts"
import * as office from "../../support/office.ts"
import * as places from "../../support/places.ts"

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

describe("a client whose server takes no shared stream", () => {
  it.effect("asks for one again after a while, and calls on streams of their own until then", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const running = yield* office.serve(two)
      const scope = yield* Scope.make()
      for (let count = 0; count < limits.sharedStreamsPerPeer; count++) {
        const opened = one.openProtocol(two.peerAddress, limits.rpcProtocol)
        const stream = yield* Scope.provide(opened, scope)
        yield* stream.write(encode(FrameKind.calls, 0, new Uint8Array(0)))
        yield* office.turns(20)
      }
      const client = yield* office.client(one, two.peerAddress)
      const call = Effect.map(client.Echo({ text: "a" }), (text) => assert.strictEqual(text, "a"))
      for (let count = 0; count < 4; count++) yield* call
      yield* office.until(() => running.held().streams === limits.sharedStreamsPerPeer)
      yield* Scope.close(scope, Exit.void)
      yield* office.until(() => running.held().streams === 0)
      for (let count = 0; count < 4; count++) yield* call
      yield* office.until(() => running.held().streams === 0)
      yield* TestClock.adjust(limits.refusedFor)
      for (let count = 0; count < 4; count++) yield* call
      // The shared stream stays.
      yield* office.turns(200)
      assert.strictEqual(running.held().streams, 1)
    }).pipe(office.onNetwork)
  )
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
