/** Calls that fail: with an error of a type that says whether the handler may have run. */
import { assert, describe, it } from "@effect/vitest"
import * as MemoryNetwork from "@qp2p/testkit/MemoryNetwork"
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as NetAddress from "effect/net/NetAddress"
import { RpcClientError } from "effect/rpc/RpcClientError"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as office from "./support/office.ts"
import * as places from "./support/places.ts"

/** The reason of a call's failure, which must be that of the client. */
const reasonOf = <A, E>(call: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(call), (error) => {
    assert.instanceOf(error, RpcClientError)
    return error.reason
  })

/** The tag of the error that a failed call was caused by. */
const causeOf = (reason: RpcClientError["reason"]): unknown => {
  const cause = "cause" in reason ? (reason.cause as { readonly _tag?: string; readonly message?: string }) : undefined
  return cause?._tag ?? cause?.message
}

describe("a call", () => {
  it.effect("that nobody serves never reached a handler", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const client = yield* office.client(one, two.peerAddress, { protocol: "something else" })
      const reason = yield* reasonOf(client.Echo({ text: "a" }))
      assert.strictEqual(reason._tag, "SocketOpenError")
      assert.strictEqual(causeOf(reason), "ProtocolRefused")
      const stream = yield* reasonOf(Stream.runDrain(client.Count()))
      assert.strictEqual(stream._tag, "SocketOpenError")
    }).pipe(office.onNetwork)
  )

  it.effect("to a peer that cannot be reached never reached a handler, and times out as its dial does", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const network = yield* MemoryNetwork.MemoryNetwork
      yield* network.partition(one.localAddress, two.localAddress)
      const client = yield* office.client(one, two.peerAddress)
      const call = yield* Effect.forkChild(reasonOf(client.Echo({ text: "a" })))
      yield* TestClock.adjust("10 minutes")
      const reason = yield* Fiber.join(call)
      assert.strictEqual(reason._tag, "SocketOpenError")
      assert.include(["ConnectionTimedOut", "NoneReachable"], causeOf(reason))
    }).pipe(office.onNetwork)
  )

  it.effect(
    "whose connection is lost fails, on a stream of its own and on a shared one, and the next one dials again",
    () =>
      Effect.gen(function* () {
        const { one, two } = yield* places.Pair
        const network = yield* MemoryNetwork.MemoryNetwork
        const running = yield* office.serve(two)
        const client = yield* office.client(one, two.peerAddress)
        yield* Deferred.succeed(running.watch.letGo, "short")
        yield* client.Hold()
        const held = yield* Deferred.make<string>()
        Object.assign(running.watch, { letGo: held })
        // The first shares a stream, the second has its own.
        const calls = [client.Hold(), Stream.runDrain(client.Count().pipe(Stream.tap(() => Effect.yieldNow)))]
        const fibers = yield* Effect.forEach(calls, (call) => Effect.forkChild(reasonOf<unknown, unknown>(call)))
        yield* office.until(() => running.watch.running === 2)
        yield* network.reset(two.localAddress, one.localAddress)
        for (const fiber of fibers) assert.strictEqual((yield* Fiber.join(fiber))._tag, "SocketReadError")
        assert.strictEqual(yield* client.Echo({ text: "again" }), "again")
        yield* Deferred.succeed(held, "and again")
        assert.strictEqual(yield* client.Hold(), "and again")
      }).pipe(office.onNetwork)
  )

  it.effect("is made again by the caller's policy, and reaches the server that has come back", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const scope = yield* Scope.make()
      const running = yield* Scope.provide(office.serve(two), scope)
      const client = yield* office.client(one, two.peerAddress)
      const call = client.Hold().pipe(
        Effect.retry({
          while: (error) => error instanceof RpcClientError,
          schedule: Schedule.spaced("1 second")
        })
      )
      const fiber = yield* Effect.forkChild(call)
      yield* office.until(() => running.watch.running === 1)
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("5 seconds")
      const back = yield* office.serve(two)
      yield* Deferred.succeed(back.watch.letGo, "at last")
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "at last")
    }).pipe(office.onNetwork)
  )

  it.effect("beyond what the server answers at once never reached a handler", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const running = yield* office.serve(two, { maxRequestsPerPeer: 3 })
      const client = yield* office.client(one, two.peerAddress)
      yield* client.Echo({ text: "short" })
      yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(client.Hold()))
      yield* office.until(() => running.watch.running === 3)
      // One on a shared stream, one on its own.
      const shared = yield* reasonOf(client.Echo({ text: "a" }))
      const own = yield* reasonOf(client.Who())
      assert.strictEqual(shared._tag, "SocketOpenError")
      assert.strictEqual(own._tag, "SocketOpenError")
      yield* Deferred.succeed(running.watch.letGo, "x")
      yield* office.until(() => running.held().calls === 0)
      assert.strictEqual(yield* client.Echo({ text: "b" }), "b")
    }).pipe(office.onNetwork)
  )

  it.effect("whose client is closed is over", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const running = yield* office.serve(two)
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(office.client(one, two.peerAddress), scope)
      yield* client.Echo({ text: "short" })
      const fibers = yield* Effect.forEach([client.Hold(), client.Hold()], (call) => Effect.forkChild(call))
      yield* office.until(() => running.watch.running === 2)
      yield* Scope.close(scope, Exit.void)
      for (const fiber of fibers) assert.isTrue(Exit.isFailure(yield* Fiber.await(fiber)))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(client.Echo({ text: "late" }))))
    }).pipe(office.onNetwork)
  )

  it.effect(
    "does not notice the defect of another's handler, although defects are fatal to an RPC server's client",
    () =>
      Effect.gen(function* () {
        const { one, two } = yield* places.Pair
        const running = yield* office.serve(two)
        const client = yield* office.client(one, two.peerAddress)
        const taken = yield* Deferred.make<void>()
        let count = 0
        const stream = yield* client.Count().pipe(
          Stream.runForEach(() =>
            Effect.suspend(() => {
              count++
              return Effect.andThen(Deferred.succeed(taken, undefined), Effect.yieldNow)
            })
          ),
          Effect.forkChild
        )
        yield* Deferred.await(taken)
        const held = yield* Effect.forkChild(client.Hold())
        yield* office.until(() => running.watch.running === 2)
        for (let time = 0; time < 3; time++) {
          const exit = yield* Effect.exit(client.Fail())
          assert.include(String(exit), "boom")
        }
        const before = count
        yield* office.until(() => count > before + 10)
        assert.isUndefined(stream.pollUnsafe())
        yield* Deferred.succeed(running.watch.letGo, "there")
        assert.strictEqual(yield* Fiber.join(held), "there")
        yield* Fiber.interrupt(stream)
      }).pipe(office.onNetwork)
  )

  it.effect("to several servers of one endpoint reaches the one of its name", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const first = yield* office.serve(two, { protocol: "first" })
      const second = yield* office.serve(two, { protocol: "second" })
      yield* Deferred.succeed(first.watch.letGo, "first")
      yield* Deferred.succeed(second.watch.letGo, "second")
      for (const protocol of ["first", "second"]) {
        const client = yield* office.client(one, two.peerAddress, { protocol })
        assert.strictEqual(yield* client.Hold(), protocol)
      }
      const taken = yield* Effect.flip(office.serve(two, { protocol: "first" }))
      assert.strictEqual(taken._tag, "ProtocolTaken")
    }).pipe(office.onNetwork)
  )

  it.effect("goes both ways between two endpoints, over one connection", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      yield* office.serve(one)
      yield* office.serve(two)
      const there = yield* office.client(one, two.peerAddress)
      assert.strictEqual(yield* there.Who(), one.peerId)
      const back = yield* office.client(two, one.peerId)
      assert.strictEqual(yield* back.Who(), two.peerId)
      assert.lengthOf(yield* one.connections, 1)
      assert.lengthOf(yield* two.connections, 1)
    }).pipe(office.onNetwork)
  )

  it.effect("reaches the peer with the key, and no other at its address", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      yield* office.serve(two)
      const stranger = TestIdentity.make("not there").peerId
      const client = yield* office.client(one, `${stranger}@${NetAddress.formatInet(two.localAddress)}`)
      const reason = yield* reasonOf(client.Echo({ text: "a" }))
      assert.strictEqual(reason._tag, "SocketOpenError")
      assert.include(["PeerMismatch", "NoneReachable"], causeOf(reason))
    }).pipe(office.onNetwork)
  )
})
