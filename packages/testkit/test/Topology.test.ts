/**
 * Endpoints in groups, in memory and over QUIC: who is connected with whom, and that nothing is left behind.
 */
import { assert, describe, it } from "@effect/vitest"
import type * as Endpoint from "@qp2p/core/Endpoint"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import { Transport } from "@qp2p/core/Transport"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Expect from "../src/Expect.ts"
import { MemoryNetwork } from "../src/MemoryNetwork.ts"
import * as MemoryTransport from "../src/MemoryTransport.ts"
import * as Topology from "../src/Topology.ts"
import { bind, text } from "./support/recordingSockets.ts"

type Service = Endpoint.Endpoint["Service"]

const memory = Layer.merge(MemoryTransport.layerNetwork(), PortMapper.layerNone)
const quic = Layer.merge(QuicheTransport.layer(), PortMapper.layerNone)

const places = { address: (index: number) => `10.0.0.${index + 1}:4433` }

/** Whether either has a connection with the other right now. */
const knows = (one: Service, other: Service) => Effect.map(one.connectionId(other.localAddress), Option.isSome)

const exchange = Effect.fnUntraced(function* (one: Service, other: Service, payload: string) {
  yield* one.sendMessage(text(payload), other.localAddress)
  yield* Expect.message(other, { from: one.localAddress, payload })
})

const pair = Effect.gen(function* () {
  const { one, two } = yield* Topology.Pair
  assert.isFalse(yield* knows(one, two))
  yield* exchange(one, two, "there")
  yield* exchange(two, one, "back")
})

const star = Effect.gen(function* () {
  const { hub, leaves } = yield* Topology.Star
  assert.strictEqual(leaves.length, 3)
  for (const leaf of leaves) {
    assert.deepStrictEqual(Option.map(leaf.bootstrapContact, String), Option.some(String(hub.localAddress)))
    assert.isTrue(yield* knows(leaf, hub))
    assert.isTrue(yield* knows(hub, leaf))
    yield* exchange(leaf, hub, "up")
    yield* exchange(hub, leaf, "down")
  }
  assert.isFalse(yield* knows(leaves[0]!, leaves[1]!))
})

const mesh = Effect.gen(function* () {
  const { endpoints } = yield* Topology.Mesh
  assert.strictEqual(endpoints.length, 5)
  for (const [index, one] of endpoints.entries()) {
    for (const other of endpoints) if (other !== one) assert.isTrue(yield* knows(one, other))
    // One connection for two of them, and each still to be taken.
    for (let left = index + 1; left < endpoints.length; left++) yield* Expect.connection(one, { within: 0 })
    assert.isTrue(Result.isFailure(yield* Effect.result(Expect.connection(one, { within: 0 }))))
  }
  for (const [index, one] of endpoints.entries())
    for (const other of endpoints.slice(index + 1)) {
      yield* exchange(one, other, "there")
      yield* exchange(other, one, "back")
    }
})

/** Why a layer could not be built. */
const failure = <S, E, R>(layer: Layer.Layer<S, E, R>) => Effect.flip(Effect.scoped(Layer.build(layer)))

const sizes = { star: { size: 3 }, mesh: { size: 5 } }

describe("in memory", () => {
  const provide = <S, E>(layer: Layer.Layer<S, E, Topology.Requirements>) =>
    Effect.provide(Layer.provideMerge(layer, memory))

  it.effect("a pair is two that have not met", () => pair.pipe(provide(Topology.layerPair(places))))

  it.effect("a star has the hub as everybody's contact", () =>
    star.pipe(provide(Topology.layerStar({ ...places, ...sizes.star })))
  )

  it.effect("every two of a mesh have one connection, on both ends", () =>
    mesh.pipe(provide(Topology.layerMesh({ ...places, ...sizes.mesh })))
  )

  it.effect("ports are found where no address is given", () => mesh.pipe(provide(Topology.layerMesh(sizes.mesh))))

  it.effect("endpoints are where they are told to be, and as they are configured", () =>
    Effect.gen(function* () {
      const { endpoints } = yield* Topology.Mesh
      assert.deepStrictEqual(
        endpoints.map(({ localAddress }) => String(localAddress)),
        ["10.0.0.1:4433", "10.0.0.2:4433", "10.0.0.3:4433"]
      )
      const error = yield* Effect.flip(endpoints[0]!.sendMessage(text("abc"), endpoints[1]!.localAddress))
      assert.strictEqual(error._tag, "SerializationError")
    }).pipe(provide(Topology.layerMesh({ ...places, size: 3, config: { maxMessageSize: 2 } })))
  )

  for (const size of [0, 1])
    it.effect(`a mesh of ${size} is no trouble`, () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* Topology.Mesh).endpoints.length, size)
      }).pipe(provide(Topology.layerMesh({ size })))
    )
})

describe("over QUIC", () => {
  const provide = <S, E>(layer: Layer.Layer<S, E, Topology.Requirements>) => Effect.provide(Layer.provide(layer, quic))

  it.live("a pair is two that have not met", () => pair.pipe(provide(Topology.layerPair())))

  it.live("a star has the hub as everybody's contact", () => star.pipe(provide(Topology.layerStar(sizes.star))))

  it.live("every two of a mesh have one connection, on both ends", () =>
    mesh.pipe(provide(Topology.layerMesh(sizes.mesh)))
  )
})

describe("the building of a mesh", () => {
  it.effect("waits for the connection on both ends", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      yield* network.setLatency("1 second")
      const building = yield* Effect.forkChild(Effect.provide(mesh, Topology.layerMesh(sizes.mesh)))
      // A round trip for whoever dialled; the other end takes half of one more, and its acceptance the other half.
      yield* TestClock.adjust("3500 millis")
      assert.isUndefined(building.pollUnsafe())
      yield* TestClock.adjust("1 hour")
      yield* Fiber.interrupt(building)
    }).pipe(Effect.provide(memory))
  )

  it.effect("is done when the dials are accepted", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      yield* network.setLatency("1 second")
      const scope = yield* Effect.scope
      const build = Layer.buildWithScope(Topology.layerMesh({ ...places, size: 2 }), scope)
      const building = yield* Effect.forkChild(build)
      yield* TestClock.adjust("3 seconds")
      assert.isUndefined(building.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.isDefined(building.pollUnsafe())
    }).pipe(Effect.scoped, Effect.provide(memory))
  )

  it.effect("fails when somebody cannot be reached", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      yield* network.refuse("10.0.0.2:4433")
      const error = yield* failure(Topology.layerMesh({ ...places, size: 3, config: { retryDuration: 0 } }))
      assert.strictEqual(error._tag, "TransportError")
    }).pipe(Effect.provide(memory))
  )

  it.effect("fails when a connection is lost before it is there on both ends", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      yield* network.setLatency("1 second")
      const building = yield* Effect.forkChild(
        failure(Topology.layerMesh({ ...places, size: 2, config: { retryDuration: 0 } }))
      )
      yield* TestClock.adjust("2 seconds")
      yield* network.kill("10.0.0.2:4433", "10.0.0.1:4433")
      const error = yield* Fiber.join(building)
      assert.strictEqual(error._tag, "TransportError")
    }).pipe(Effect.provide(memory))
  )

  it.effect("fails with the endpoint whose address is none", () =>
    Effect.gen(function* () {
      const addresses = ["127.0.0.1:0", "nowhere"]
      const error = yield* failure(Topology.layerMesh({ size: 2, address: (index) => addresses[index]! }))
      assert.strictEqual(error._tag, "EndpointConfigError")
      assert.match(error.message, /^address\(1\): /)
    }).pipe(Effect.provide(memory))
  )
})

describe("the building of a star", () => {
  it.effect("fails when the hub does not answer", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      yield* network.refuse("10.0.0.1")
      const error = yield* failure(Topology.layerStar({ ...places, size: 1, config: { retryDuration: 0 } }))
      assert.strictEqual(error._tag, "TransportError")
    }).pipe(Effect.provide(memory))
  )
})

describe("the end of a layer", () => {
  const closes = <S, E>(layer: Layer.Layer<S, E, Topology.Requirements>, count: number) =>
    Effect.gen(function* () {
      const transport = yield* Transport
      let open = 0
      const counting = Transport.of({
        bind: (options, events) =>
          Effect.acquireRelease(
            Effect.sync(() => void open++),
            () => Effect.sync(() => void open--)
          ).pipe(Effect.andThen(transport.bind(options, events)))
      })
      const scope = yield* Scope.make()
      yield* Effect.provideService(Layer.buildWithScope(layer, scope), Transport, counting)
      assert.strictEqual(open, count)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(open, 0)
      // Its places are free again.
      for (let index = 0; index < count; index++) yield* bind(places.address(index))
    }).pipe(Effect.scoped, Effect.provide(memory))

  it.effect("closes a pair", () => closes(Topology.layerPair(places), 2))
  it.effect("closes a star", () => closes(Topology.layerStar({ ...places, size: 2 }), 3))
  it.effect("closes a mesh", () => closes(Topology.layerMesh({ ...places, size: 3 }), 3))
})
