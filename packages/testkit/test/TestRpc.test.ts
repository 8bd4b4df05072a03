/**
 * An RPC server and a typed client on two endpoints, in one line.
 */
import { assert, describe, it } from "@effect/vitest"
import { Endpoint } from "@qp2p/core/Endpoint"
import * as QuicRpc from "@qp2p/rpc/QuicRpc"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import type { RpcClientError } from "effect/rpc/RpcClientError"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { MemoryNetwork } from "../src/MemoryNetwork.ts"
import * as TestRpc from "../src/TestRpc.ts"
import * as Topology from "../src/Topology.ts"

const Greeter = RpcGroup.make(
  Rpc.make("Greet", { payload: { name: Schema.String }, success: Schema.String }),
  Rpc.make("Slowly", { success: Schema.String }),
  Rpc.make("UpTo", { payload: { count: Schema.Number }, success: Schema.Number, stream: true }),
  Rpc.make("Who", { success: Schema.String }),
  Rpc.make("Where", { success: Schema.String })
).middleware(QuicRpc.Authenticated)

/** The server needs its endpoint, as a program may. */
const handlers = Greeter.toLayer(
  Effect.map(Endpoint, ({ peerId }) =>
    Greeter.of({
      Greet: ({ name }) => Effect.succeed(`Hello ${name}`),
      Slowly: () => Effect.as(Effect.sleep("1 hour"), "at last"),
      UpTo: ({ count }) => Stream.range(1, count),
      Who: () => QuicRpc.Caller,
      Where: () => Effect.succeed(peerId)
    })
  )
)

const server = Layer.provide(RpcServer.layer(Greeter), handlers)

class GreeterClient extends Context.Service<
  GreeterClient,
  RpcClient.RpcClient<RpcGroup.Rpcs<typeof Greeter>, RpcClientError>
>()("@qp2p/testkit/test/TestRpc.test/GreeterClient") {
  static readonly layer = Layer.effect(GreeterClient, RpcClient.make(Greeter))
}

describe("an RPC server and its client for tests", () => {
  it.effect("have the program's own layers at two endpoints", () =>
    Effect.gen(function* () {
      const client = yield* GreeterClient
      const { one, two } = yield* Topology.Pair
      assert.deepStrictEqual(yield* one.connections, [])
      assert.strictEqual(yield* client.Greet({ name: "Ann" }), "Hello Ann")
      assert.deepStrictEqual(yield* Stream.runCollect(client.UpTo({ count: 3 })), [1, 2, 3])
      assert.strictEqual(yield* client.Who(), one.peerId)
      assert.strictEqual(yield* client.Where(), two.peerId)
      assert.deepStrictEqual([(yield* one.connections).length, (yield* two.connections).length], [1, 1])
    }).pipe(Effect.provide(TestRpc.layer({ server, client: GreeterClient.layer })))
  )

  it.effect("let the test make a client of any group", () =>
    Effect.gen(function* () {
      const client = yield* RpcClient.make(Greeter)
      assert.strictEqual(yield* client.Greet({ name: "Bob" }), "Hello Bob")
    }).pipe(Effect.scoped, Effect.provide(TestRpc.layer({ server })))
  )

  it.effect("run on the clock of the test", () =>
    Effect.gen(function* () {
      const client = yield* GreeterClient
      const network = yield* MemoryNetwork
      yield* network.setLatency("50 millis")
      const call = yield* Effect.forkChild(client.Slowly(), { startImmediately: true })
      yield* TestClock.adjust("59 minutes")
      assert.isUndefined(call.pollUnsafe())
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(yield* Fiber.join(call), "at last")
    }).pipe(Effect.provide(TestRpc.layer({ server, client: GreeterClient.layer })))
  )

  it.effect("have a network between them that breaks", () =>
    Effect.gen(function* () {
      const client = yield* GreeterClient
      const network = yield* MemoryNetwork
      const { one, two } = yield* Topology.Pair
      yield* client.Greet({ name: "Ann" })
      const call = yield* Effect.forkChild(Effect.flip(client.Slowly()), { startImmediately: true })
      yield* network.partition(one.localAddress, two.localAddress)
      yield* TestClock.adjust("2 minutes")
      const error = yield* Fiber.join(call)
      assert.strictEqual(error._tag, "RpcClientError")
      assert.strictEqual(error._tag === "RpcClientError" && error.reason._tag, "SocketReadError")
    }).pipe(Effect.provide(TestRpc.layer({ server, client: GreeterClient.layer })))
  )

  it.effect("take a serialization, and the options of both protocols and of the endpoints", () =>
    Effect.gen(function* () {
      const client = yield* GreeterClient
      const { one, two } = yield* Topology.Pair
      assert.deepStrictEqual([String(one.localAddress), String(two.localAddress)], ["10.0.0.1:1", "10.0.0.2:1"])
      assert.strictEqual(yield* client.Greet({ name: "Ann" }), "Hello Ann")
      assert.strictEqual((yield* Effect.flip(client.Greet({ name: "x".repeat(20_000) })))._tag, "RpcClientError")
      // Nothing serves the name that is used otherwise.
      const other = yield* one.openProtocol(two.peerAddress, "effect-rpc")
      assert.strictEqual((yield* Effect.flip(other.pull))._tag, "ProtocolRefused")
    }).pipe(
      Effect.scoped,
      Effect.provide(
        TestRpc.layer(
          { server, client: GreeterClient.layer },
          {
            serialization: RpcSerialization.layerJson,
            server: { protocol: "greeter" },
            client: { protocol: "greeter", maxResponseSize: 20_000 },
            endpoints: { address: (index) => `10.0.0.${index + 1}:1` }
          }
        )
      )
    )
  )
})
