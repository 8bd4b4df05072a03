/** What a server holds for callers that are gone: nothing. */
import { assert, describe, it } from "@effect/vitest"
import * as MemoryNetwork from "@qp2p/testkit/MemoryNetwork"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as limits from "../src/internal/limits.ts"
import * as office from "./support/office.ts"
import * as places from "./support/places.ts"

/** Calls of each kind, under way: on streams of their own, on a shared one, with parts, without an answer to wait for. */
const busy = (client: office.Client, running: office.Running) =>
  Effect.gen(function* () {
    // Of these two, the procedures share a stream from then on.
    yield* client.Echo({ text: "first" })
    const calls = [
      client.Hold(),
      client.Hold(),
      client.Count().pipe(Stream.runForEach(() => Effect.never)),
      client.Pour().pipe(Stream.runForEach(() => Effect.never)),
      client.Hold(undefined, { discard: true })
    ]
    const fibers = yield* Effect.forEach(calls, (call) =>
      Effect.forkDetach(call as Effect.Effect<unknown, unknown>, { startImmediately: true })
    )
    yield* office.until(() => running.watch.running === calls.length)
    yield* client.Echo({ text: "shared" })
    return { fibers, count: calls.length }
  })

const gone = (running: office.Running, count: number) =>
  Effect.gen(function* () {
    yield* office.until(() => running.watch.running === 0)
    assert.strictEqual(running.watch.interrupted, count)
    assert.strictEqual((yield* running.protocol.clientIds).size, 0)
    yield* office.until(() => running.held().connections === 0)
    assert.deepStrictEqual(running.held(), office.nothing)
  })

describe("a caller that is gone", () => {
  it.effect("because its endpoint has closed leaves no handler, no stream and no client id", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const running = yield* office.serve(two)
      const { count } = yield* busy(yield* office.client(one, two.peerAddress), running)
      assert.isAbove(running.held().streams, 3)
      yield* one.close
      yield* gone(running, count)
    }).pipe(office.onNetwork)
  )

  it.effect("because its connection is lost leaves no handler, no stream and no client id", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const network = yield* MemoryNetwork.MemoryNetwork
      const running = yield* office.serve(two)
      const { count } = yield* busy(yield* office.client(one, two.peerAddress), running)
      yield* network.reset(two.localAddress, one.localAddress)
      yield* gone(running, count)
    }).pipe(office.onNetwork)
  )

  it.effect("because it went silent leaves nothing after the idle timeout", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const network = yield* MemoryNetwork.MemoryNetwork
      const running = yield* office.serve(two)
      const { count } = yield* busy(yield* office.client(one, two.peerAddress), running)
      yield* network.partition(one.localAddress, two.localAddress)
      yield* TestClock.adjust("5 minutes")
      yield* gone(running, count)
    }).pipe(office.onNetwork)
  )

  it.effect("because its client has closed leaves no handler that it waits for, while the connection goes on", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const running = yield* office.serve(two)
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(office.client(one, two.peerAddress), scope)
      const { count } = yield* busy(client, running)
      yield* Scope.close(scope, Exit.void)
      // The call whose answer it did not wait for goes on: the peer is still there.
      yield* office.until(() => running.watch.running === 1)
      assert.strictEqual(running.watch.interrupted, count - 1)
      yield* office.until(() => running.held().streams === 0)
      assert.strictEqual(running.held().calls, 1)
      assert.lengthOf(yield* one.connections, 1)
      yield* one.close
      yield* gone(running, count)
    }).pipe(office.onNetwork)
  )

  it.effect("call by call, by interruption, leaves no call and no stream but the shared one", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const running = yield* office.serve(two)
      const client = yield* office.client(one, two.peerAddress)
      const { count, fibers } = yield* busy(client, running)
      yield* Effect.forEach(fibers, Fiber.interrupt)
      yield* office.until(() => running.held().calls === 1)
      assert.strictEqual(running.watch.interrupted, count - 1)
      yield* office.until(() => running.held().streams === 1)
      assert.strictEqual(yield* client.Echo({ text: "still" }), "still")
    }).pipe(office.onNetwork)
  )

  it.effect("on a shared stream, by interruption, leaves neither the call nor the place that it had", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const running = yield* office.serve(two)
      const client = yield* office.client(one, two.peerAddress)
      yield* Deferred.succeed(running.watch.letGo, "short")
      yield* client.Hold()
      Object.assign(running.watch, { letGo: yield* Deferred.make<string>() })
      const { callsPerStream, sharedStreams } = limits
      // More than there is room for on all shared streams, twice over.
      for (let round = 1; round <= 2; round++) {
        const calls = yield* Effect.forEach(Array.from({ length: callsPerStream * sharedStreams + 10 }), () =>
          Effect.forkChild(client.Hold())
        )
        yield* office.until(() => running.watch.running === callsPerStream * sharedStreams)
        yield* Fiber.interruptAll(calls)
        yield* office.until(() => running.held().calls === 0)
        // Those that waited may have begun when others were interrupted.
        assert.isAtLeast(running.watch.interrupted, round * callsPerStream * sharedStreams)
        assert.strictEqual(running.watch.running, 0)
      }
      yield* Deferred.succeed(running.watch.letGo, "room")
      assert.strictEqual(yield* client.Hold(), "room")
      assert.isAtMost(running.held().streams, sharedStreams)
    }).pipe(office.onNetwork)
  )

  it.effect("a thousand times, one after the other, leaves as little", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const running = yield* office.serve(two)
      const client = yield* office.client(one, two.peerAddress)
      yield* Effect.forEach(
        Array.from({ length: 1_000 }),
        () => Effect.raceFirst(Effect.asVoid(client.Hold()), office.turns(3)),
        { concurrency: 20, discard: true }
      )
      yield* office.until(() => running.held().calls === 0 && running.held().streams === 0)
      yield* one.close
      yield* office.until(() => running.held().connections === 0)
      assert.deepStrictEqual(running.held(), office.nothing)
    }).pipe(office.onNetwork)
  )
})
