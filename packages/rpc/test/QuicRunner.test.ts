/** Runners of Effect Cluster over endpoints in memory. Nothing there takes time but what the clock of the test grants. */
import { assert, describe, it } from "@effect/vitest"
import * as Endpoint from "@qp2p/core/Endpoint"
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import * as Entity from "effect/cluster/Entity"
import * as MessageStorage from "effect/cluster/MessageStorage"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as RunnerHealth from "effect/cluster/RunnerHealth"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as Runners from "effect/cluster/Runners"
import type { Sharding } from "effect/cluster/Sharding"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as TestClock from "effect/testing/TestClock"
import * as QuicRunner from "../src/QuicRunner.ts"
import * as clusterStorage from "./support/clusterStorage.ts"
import * as places from "./support/places.ts"

/** An entity that tells its host. */
const Host = Entity.make("Host", [Rpc.make("Name", { success: Schema.String })])

const layerHost = Host.toLayer(
  Effect.gen(function* () {
    const { host, port } = yield* Entity.CurrentRunnerAddress
    return { Name: () => Effect.succeed(`${host}:${port}`) }
  })
)

const everybody = () => Effect.succeed(true)

interface RunnerOptions {
  readonly members?: QuicRunner.Options["members"]
  readonly storage?: RunnerStorage.RunnerStorage["Service"]
}

/** A runner on an endpoint. */
const runner = (
  endpoint: places.Service,
  { members = everybody, storage = clusterStorage.make() }: RunnerOptions = {}
) =>
  Effect.gen(function* () {
    const services = yield* layerHost.pipe(
      Layer.provideMerge(QuicRunner.layer({ members })),
      Layer.provideMerge(QuicRunner.layerHealth({ members })),
      Layer.provide(Layer.succeed(RunnerStorage.RunnerStorage, storage)),
      Layer.provide(MessageStorage.layerNoop),
      Layer.provideMerge(QuicRunner.layerShardingConfig({ shardsPerGroup: 20 })),
      Layer.provide(RpcSerialization.layerNdjson),
      Layer.provide(Layer.succeed(Endpoint.Endpoint, endpoint)),
      Layer.fresh,
      Layer.build
    )
    const address = Option.getOrThrow(Context.get(services, ShardingConfig.ShardingConfig).runnerAddress)
    const { ping } = Context.get(services, Runners.Runners)
    const { isAlive } = Context.get(services, RunnerHealth.RunnerHealth)
    /** Asks an entity for its host. */
    const ask = (id: string): Effect.Effect<string, unknown> =>
      Effect.flatMap(Host.client, (host) => host(id).Name()).pipe(
        Effect.provideContext(services as Context.Context<Sharding>)
      )
    return { address, name: `${address.host}:${address.port}`, ping, isAlive, ask }
  })

/** An endpoint that calls entities and hosts none. */
const caller = (
  endpoint: places.Service,
  { members = everybody, storage = clusterStorage.make() }: RunnerOptions = {}
) =>
  Effect.map(
    QuicRunner.layerClientOnly({ members }).pipe(
      Layer.provide(Layer.succeed(RunnerStorage.RunnerStorage, storage)),
      Layer.provide(MessageStorage.layerNoop),
      Layer.provide(ShardingConfig.layer({ runnerAddress: Option.none(), shardsPerGroup: 20 })),
      Layer.provide(RpcSerialization.layerNdjson),
      Layer.provide(Layer.succeed(Endpoint.Endpoint, endpoint)),
      Layer.fresh,
      Layer.build
    ),
    (services) => ({
      ask: (id: string): Effect.Effect<string, unknown> =>
        Effect.flatMap(Host.client, (host) => host(id).Name()).pipe(Effect.provideContext(services)),
      ping: Context.get(services, Runners.Runners).ping
    })
  )

/** Runs an effect while the clock goes on. */
const asTimePasses = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("100 millis")
    return yield* Fiber.join(fiber)
  })

const ids = Array.from({ length: 40 }, (_, index) => `entity-${index}`)

describe("runners", () => {
  it.effect("share entities, and reach those of each other", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const storage = clusterStorage.make()
      const runners = [yield* runner(one, { storage }), yield* runner(two, { storage })]
      yield* TestClock.adjust("30 seconds")
      const [fromOne, fromTwo] = yield* asTimePasses(
        Effect.forEach(runners, ({ ask }) => Effect.forEach(ids, ask, { concurrency: 10 }))
      )
      assert.deepStrictEqual(fromOne, fromTwo)
      assert.strictEqual(runners[0]!.name, `${one.peerId}@10.0.0.1:1`)
      assert.deepStrictEqual(new Set(fromOne), new Set(runners.map(({ name }) => name)))
    }).pipe(Effect.provide(places.inMemory()))
  )

  it.effect("answer each other's pings, and their own", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const [first, second] = [yield* runner(one), yield* runner(two)]
      yield* asTimePasses(
        Effect.all([first.ping(second.address), second.ping(first.address), first.ping(first.address)])
      )
    }).pipe(Effect.provide(places.inMemory()))
  )

  it.effect("have the id, the host and the port of their endpoint as address, IPv6 in brackets", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const [first, second] = [yield* runner(one), yield* runner(two)]
      assert.deepStrictEqual(first.address, RunnerAddress.make(`${one.peerId}@[fd00::1]`, 1))
      assert.deepStrictEqual(second.address, RunnerAddress.make(`${two.peerId}@[fd00::2]`, 2))
      yield* asTimePasses(first.ping(second.address))
    }).pipe(Effect.provide(places.inMemory({}, ["[fd00::1]:1", "[fd00::2]:2"])))
  )

  it.effect("are unavailable at an address that has no id, or is none, and where another peer answers", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const [first] = [yield* runner(one), yield* runner(two)]
      const stranger = TestIdentity.make("stranger").peerId
      for (const host of ["10.0.0.2", "", "not an address", `${two.peerId}@`, stranger, `${stranger}@10.0.0.2`]) {
        const error = yield* asTimePasses(Effect.flip(first.ping(RunnerAddress.make(host, 2))))
        assert.strictEqual(error._tag, "RunnerUnavailable", host)
      }
    }).pipe(Effect.provide(places.inMemory({ retryDuration: 0 })))
  )

  it.effect("are one for each endpoint", () =>
    Effect.gen(function* () {
      const { one } = yield* places.Pair
      yield* runner(one)
      const error = yield* Effect.flip(runner(one))
      assert.strictEqual(error._tag, "ProtocolTaken")
    }).pipe(Effect.provide(places.inMemory()))
  )
})

describe("a client of a cluster", () => {
  it.effect("calls the entities of all runners, and hosts and serves none", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const three = yield* places.another("10.0.0.3:3")
      const storage = clusterStorage.make()
      const runners = [yield* runner(one, { storage }), yield* runner(two, { storage })]
      yield* TestClock.adjust("30 seconds")
      const { ask } = yield* caller(three, { storage })
      const hosts = yield* asTimePasses(Effect.forEach(ids, ask, { concurrency: 10 }))
      assert.deepStrictEqual(new Set(hosts), new Set(runners.map(({ name }) => name)))
      assert.lengthOf(yield* storage.getRunners, 2)
      // It serves no protocol: its own runner may still be made.
      const stream = yield* Effect.scoped(
        Effect.flatMap(one.openProtocol(three.peerId, "effect-cluster"), ({ pull }) => Effect.flip(pull))
      )
      assert.strictEqual(stream._tag, "ProtocolRefused")
    }).pipe(Effect.provide(places.inMemory()))
  )

  it.effect("that the members do not count among them gets no call through", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const three = yield* places.another("10.0.0.3:3")
      const first = yield* runner(one, { members: (id) => Effect.succeed(id === two.peerId) })
      const { ping } = yield* caller(two)
      yield* asTimePasses(ping(first.address))
      const stranger = yield* caller(three)
      const error = yield* asTimePasses(Effect.flip(stranger.ping(first.address)))
      assert.strictEqual(error._tag, "RunnerUnavailable")
    }).pipe(Effect.provide(places.inMemory({ retryDuration: 0 })))
  )

  it.effect("asks who is a member before it connects, and calls no other runner", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const three = yield* places.another("10.0.0.3:3")
      const [first, second] = [yield* runner(one), yield* runner(two)]
      const { ping } = yield* caller(three, { members: (id) => Effect.succeed(id === two.peerId) })
      yield* asTimePasses(ping(second.address))
      assert.strictEqual((yield* asTimePasses(Effect.flip(ping(first.address))))._tag, "RunnerUnavailable")
      assert.deepStrictEqual(yield* one.connections, [])
    }).pipe(Effect.provide(places.inMemory()))
  )
})

describe("a peer that is no member", () => {
  const failing: Record<string, QuicRunner.Options["members"]> = {
    no: () => Effect.succeed(false),
    "no boolean": () => Effect.succeed("yes" as unknown as boolean),
    "a defect": () => Effect.die("the list of members is gone"),
    "an exception": () => {
      throw new Error("the list of members is gone")
    }
  }
  for (const [answer, members] of Object.entries(failing)) {
    it.effect(`gets no call through, and is not called: ${answer}`, () =>
      Effect.gen(function* () {
        const { one, two } = yield* places.Pair
        const asked: Array<string> = []
        const first = yield* runner(one)
        const second = yield* runner(two, {
          members: (id) => {
            asked.push(id)
            return members(id)
          }
        })
        const refused = yield* asTimePasses(Effect.flip(first.ping(second.address)))
        assert.strictEqual(refused._tag, "RunnerUnavailable")
        assert.deepStrictEqual([...new Set(asked)], [one.peerId])

        assert.strictEqual((yield* asTimePasses(Effect.flip(second.ping(first.address))))._tag, "RunnerUnavailable")
        assert.isFalse(yield* asTimePasses(second.isAlive(first.address)))
        // The endpoint itself lets it in.
        assert.isAbove((yield* two.connections).length, 0)
        yield* one.connectTo(two.peerId)
      }).pipe(Effect.provide(places.inMemory({ retryDuration: 0 })))
    )
  }

  it.effect("leaves few lines in the log, however often it asks while nobody knows the members", () => {
    const warnings: Array<string> = []
    const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
      if (logLevel === "Warn") warnings.push(String(message))
    })
    return Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      yield* runner(two, { members: () => Effect.die("the list of members is gone") })
      const knock = Effect.scoped(
        Effect.flatMap(one.openProtocol(two.peerAddress, "effect-cluster"), ({ pull }) => Effect.exit(pull))
      )
      yield* asTimePasses(knock)
      for (let i = 0; i < 100; i++) yield* knock
      const after = warnings.length
      assert.isAtMost(after, 3)
      yield* TestClock.adjust("2 seconds")
      yield* knock
      assert.strictEqual(warnings.length, after + 1)
      assert.match(warnings.at(-1)!, /left out/u)
    }).pipe(Effect.provide(Layer.mergeAll(places.inMemory({ retryDuration: 0 }), Logger.layer([logger]))))
  })

  it.effect("is dialled by nobody: the runner does not even connect", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const [first, second] = [yield* runner(one, { members: () => Effect.succeed(false) }), yield* runner(two)]
      yield* asTimePasses(Effect.flip(first.ping(second.address)))
      assert.deepStrictEqual(yield* two.connections, [])
    }).pipe(Effect.provide(places.inMemory()))
  )

  it.effect("becomes one, and is let in, when the answer changes", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      let isOpen = false
      const [first, second] = [yield* runner(one), yield* runner(two, { members: () => Effect.sync(() => isOpen) })]
      yield* asTimePasses(Effect.flip(first.ping(second.address)))
      isOpen = true
      yield* asTimePasses(first.ping(second.address))
    }).pipe(Effect.provide(places.inMemory()))
  )
})

describe("the health of a runner", () => {
  it.effect("is good while it answers, and bad when it has not answered three times", () =>
    Effect.gen(function* () {
      const { one, two } = yield* places.Pair
      const [first, second] = [yield* runner(one), yield* runner(two)]
      assert.isTrue(yield* asTimePasses(first.isAlive(second.address)))
      yield* two.close
      assert.isFalse(yield* asTimePasses(first.isAlive(second.address)))
    }).pipe(Effect.provide(places.inMemory({ retryDuration: 0 })))
  )
})
