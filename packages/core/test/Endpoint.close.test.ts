import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Bootstrap from "../src/Bootstrap.ts"
import type { ConnectionError } from "../src/ConnectionError.ts"
import * as ConnectionPool from "../src/ConnectionPool.ts"
import * as Endpoint from "../src/Endpoint.ts"
import { bytes, textOf } from "./support/values.ts"
import {
  blackhole,
  countingDials,
  endpoint,
  onNetwork,
  pair,
  refuse,
  setLatency,
  settle
} from "./support/memoryEndpoints.ts"

type Failure =
  | ConnectionError
  | { readonly _tag: "ConnectionLost"; readonly reason: ConnectionError }
  | { readonly _tag: "NoneReachable" | "NotConnected" | "SerializationError" | "StreamLost" | "RpcTimedOut" }

const tagOf = (error: Failure) =>
  error._tag === "ConnectionLost" ? `ConnectionLost of ${error.reason._tag}` : error._tag

/** The tag that a fiber failed with; an interruption or a defect is not a failure. */
const failureOf = (fiber: Fiber.Fiber<unknown, Failure>) => Effect.map(Effect.flip(Fiber.join(fiber)), tagOf)

describe("close", () => {
  it.effect("fails takers with EndpointStopped and ends streams", () =>
    Effect.gen(function* () {
      const [one] = yield* pair()
      const takers: ReadonlyArray<Fiber.Fiber<unknown, Failure>> = yield* Effect.all([
        Effect.forkChild(one.nextConnection),
        Effect.forkChild(one.nextMessage),
        Effect.forkChild(one.nextMessage),
        Effect.forkChild(one.nextDisconnection)
      ])
      const streams: ReadonlyArray<Fiber.Fiber<ReadonlyArray<unknown>>> = yield* Effect.all([
        Effect.forkChild(Stream.runCollect(one.incomingConnections)),
        Effect.forkChild(Stream.runCollect(one.incomingMessages)),
        Effect.forkChild(Stream.runCollect(one.disconnections))
      ])
      yield* settle
      yield* one.close
      for (const taker of takers) assert.strictEqual(yield* failureOf(taker), "EndpointStopped")
      for (const stream of streams) assert.deepStrictEqual(yield* Fiber.join(stream), [])
    }).pipe(onNetwork)
  )

  it.effect("leaves what has arrived to be taken, the last disconnections included, and then fails", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      yield* two.sendMessage(bytes("a"), "10.0.0.1:1")
      yield* two.sendMessage(bytes("b"), "10.0.0.1:1")
      yield* one.close
      assert.strictEqual(textOf((yield* one.nextMessage).payload), "a")
      assert.strictEqual((yield* Stream.runCollect(one.incomingMessages)).length, 1)
      assert.strictEqual((yield* Effect.flip(one.nextMessage))._tag, "EndpointStopped")
      assert.deepInclude((yield* one.nextDisconnection).reason, { _tag: "LocallyClosed" })
      assert.strictEqual((yield* Effect.flip(one.nextDisconnection))._tag, "EndpointStopped")
    }).pipe(onNetwork)
  )

  it.effect("fails what waits for a peer with EndpointStopped, at once", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const connection = yield* one.connectTo("10.0.0.2:2")
      const stream = yield* connection.openBi()
      yield* stream.send.sendMessage(bytes("x"))
      yield* two.nextMessage
      yield* refuse("10.0.0.8:8")
      yield* blackhole("10.0.0.2:2")
      const waiting: ReadonlyArray<readonly [expected: string, Effect.Effect<unknown, Failure>]> = [
        ["ConnectionLost of EndpointStopped", one.sendMessage(bytes("sent"), "10.0.0.2:2")],
        ["ConnectionLost of EndpointStopped", one.trySendMessage(bytes("sent"), "10.0.0.2:2")],
        ["ConnectionLost of EndpointStopped", connection.send(bytes("sent"))],
        ["ConnectionLost of EndpointStopped", stream.receive.next],
        ["ConnectionLost of EndpointStopped", stream.send.finish],
        ["ConnectionLost of EndpointStopped", one.isReachable("10.0.0.2:2")],
        // Being dialled:
        ["EndpointStopped", one.connectTo("10.0.0.9:9")],
        ["ConnectionLost of EndpointStopped", one.sendMessage(bytes("dialled"), "10.0.0.9:9")],
        ["EndpointStopped", one.openBidirectionalStream("10.0.0.9:9")],
        ["NoneReachable", one.connectToAny(["10.0.0.9:9"])],
        ["ConnectionLost of EndpointStopped", one.sendMessage(bytes("once"), "10.0.0.7:7", { retryDuration: 0 })],
        ["ConnectionLost of EndpointStopped", one.isReachable("10.0.0.7:7")],
        // Between two tries:
        ["EndpointStopped", one.connectTo("10.0.0.8:8")],
        ["ConnectionLost of EndpointStopped", one.sendMessage(bytes("retried"), "10.0.0.8:8")]
      ]
      const fibers = yield* Effect.forEach(waiting, ([, effect]) => Effect.forkChild(effect))
      yield* settle
      yield* one.close
      yield* settle
      const outcomes = fibers.map((fiber) => {
        const exit = fiber.pollUnsafe()
        if (exit === undefined) return "still waits"
        if (Exit.isSuccess(exit)) return "succeeded"
        const [reason] = exit.cause.reasons
        return reason?._tag === "Fail" ? tagOf(reason.error) : String(reason?._tag)
      })
      assert.deepStrictEqual(
        outcomes,
        waiting.map(([expected]) => expected)
      )
    }).pipe(onNetwork)
  )

  it.effect("fails everything that is asked later with EndpointStopped", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const [one] = yield* pair()
        const connection = yield* one.connectTo("10.0.0.2:2")
        yield* one.close
        const lost = "ConnectionLost of EndpointStopped"
        const later: ReadonlyArray<readonly [expected: string, Effect.Effect<unknown, Failure>]> = [
          ["EndpointStopped", one.connectTo("10.0.0.2:2")],
          [lost, one.sendMessage(bytes("x"), "10.0.0.2:2")],
          ["EndpointStopped", one.openBidirectionalStream("10.0.0.2:2")],
          ["NoneReachable", one.connectToAny(["10.0.0.2:2"])],
          [lost, one.isReachable("10.0.0.2:2")],
          ["NotConnected", one.trySendMessage(bytes("x"), "10.0.0.2:2")],
          [lost, connection.send(bytes("x"))],
          ["EndpointStopped", connection.openUni()],
          ["EndpointStopped", connection.openBi()]
        ]
        for (const [expected, effect] of later) {
          const fiber = yield* Effect.forkChild(effect)
          assert.strictEqual(yield* failureOf(fiber), expected)
        }
        yield* one.disconnectFrom("10.0.0.2:2")
        assert.isTrue(Option.isNone(yield* one.connectionId("10.0.0.2:2")))
        assert.isTrue(Option.isNone(yield* one.addressOf(connection.id)))
        assert.strictEqual(dials.peers.length, 1)
      })
    ).pipe(onNetwork)
  )

  it.effect("is idempotent, also at the same time, and closing the scope afterwards is fine", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const one = yield* Scope.provide(endpoint("10.0.0.1:1"), scope)
      yield* Effect.all([one.close, one.close, one.close], { concurrency: "unbounded" })
      yield* one.close
      yield* Scope.close(scope, Exit.void)
    }).pipe(onNetwork)
  )

  for (const way of ["close", "scope"] as const) {
    it.effect(`frees the port at once and tells the peers (${way})`, () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const one = yield* Scope.provide(endpoint("10.0.0.1:1"), scope)
        const two = yield* endpoint("10.0.0.2:2")
        yield* one.sendMessage(bytes("x"), "10.0.0.2:2")
        yield* way === "close" ? one.close : Scope.close(scope, Exit.void)
        yield* endpoint("10.0.0.1:1")
        assert.deepInclude((yield* two.nextDisconnection).reason, { _tag: "ApplicationClosed", code: 0, detail: "" })
        assert.strictEqual((yield* Effect.flip(one.nextConnection))._tag, "EndpointStopped")
      }).pipe(onNetwork)
    )
  }

  it.effect("tells a peer whose dial is not yet through", () =>
    Effect.gen(function* () {
      yield* setLatency("50 millis")
      const [one, two] = yield* pair()
      const dialling = yield* Effect.forkChild(Effect.flip(one.connectTo("10.0.0.2:2")))
      yield* TestClock.adjust("60 millis")
      yield* one.close
      assert.strictEqual((yield* Fiber.join(dialling))._tag, "EndpointStopped")
      yield* TestClock.adjust("1 second")
      assert.isTrue(Option.isNone(yield* two.connectionId("10.0.0.1:1")))
    }).pipe(onNetwork)
  )
})

describe("an endpoint that fails to start", () => {
  it.effect("frees its port although the scope around it lives", () =>
    Effect.gen(function* () {
      yield* endpoint("10.0.0.2:2")
      const starting = yield* Effect.forkChild(Effect.flip(endpoint("10.0.0.1:1", { externalPort: 9 }, ["10.0.0.2:2"])))
      yield* settle
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(starting)
      yield* endpoint("10.0.0.1:1")
    }).pipe(onNetwork)
  )

  it.effect("frees its port when its start is interrupted", () =>
    Effect.gen(function* () {
      const starting = yield* Effect.forkChild(endpoint("10.0.0.1:1", {}, ["10.0.0.9:9"]))
      yield* settle
      yield* Fiber.interrupt(starting)
      yield* endpoint("10.0.0.1:1")
    }).pipe(onNetwork)
  )

  it.effect("says BindError when the port is taken", () =>
    Effect.gen(function* () {
      yield* endpoint("10.0.0.1:1")
      const error = yield* Effect.flip(endpoint("10.0.0.1:1"))
      assert.strictEqual(error._tag === "BindError" ? String(error.address) : error._tag, "10.0.0.1:1")
    }).pipe(onNetwork)
  )
})

describe("two endpoints of one program", () => {
  class One extends Context.Service<One, Endpoint.Endpoint["Service"]>()("@qp2p/core/test/Endpoint.close.test/One") {}
  class Two extends Context.Service<Two, Endpoint.Endpoint["Service"]>()("@qp2p/core/test/Endpoint.close.test/Two") {}
  const service = Effect.map(Effect.context<Endpoint.Endpoint>(), Context.get(Endpoint.Endpoint))
  // One reference for both: built once, and given to both.
  const rooms = Layer.merge(ConnectionPool.layer, Bootstrap.layer)
  const at = (localAddress: string) => Layer.provide(Endpoint.layerWithoutDependencies({ localAddress }), rooms)
  const both = Layer.merge(
    Layer.provide(Layer.effect(One, service), at("10.0.0.1:1")),
    Layer.provide(Layer.effect(Two, service), at("10.0.0.2:2"))
  )

  it.effect("never share a pool, also when its layer is built once for both", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(both)
      const one = Context.get(context, One)
      const two = Context.get(context, Two)
      const three = yield* endpoint("10.0.0.3:3")
      yield* one.connectTo("10.0.0.3:3")
      assert.isTrue(Option.isSome(yield* one.connectionId("10.0.0.3:3")))
      assert.isTrue(Option.isNone(yield* two.connectionId("10.0.0.3:3")))
      assert.strictEqual((yield* Effect.flip(two.trySendMessage(bytes("x"), "10.0.0.3:3")))._tag, "NotConnected")
      yield* two.close
      yield* one.sendMessage(bytes("alive"), "10.0.0.3:3")
      assert.strictEqual(textOf((yield* three.nextMessage).payload), "alive")
    }).pipe(onNetwork)
  )

  it.effect("are two when Endpoint.layer is provided fresh, each with its own port", () =>
    Effect.gen(function* () {
      const layer = Layer.fresh(Endpoint.layer({ localAddress: "10.0.0.1:0" }))
      const one = Context.get(yield* Layer.build(layer), Endpoint.Endpoint)
      const two = Context.get(yield* Layer.build(layer), Endpoint.Endpoint)
      assert.notStrictEqual(String(one.localAddress), String(two.localAddress))
      yield* one.sendMessage(bytes("x"), two.localAddress)
      assert.strictEqual(String((yield* two.nextMessage).peer), String(one.localAddress))
    }).pipe(onNetwork)
  )
})
