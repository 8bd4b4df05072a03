/**
 * Peers that answer from another address than they were dialled at.
 */
import * as MemoryNetwork from "@qp2p/testkit/MemoryNetwork"
import * as MemoryTransport from "@qp2p/testkit/MemoryTransport"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import * as Bootstrap from "@qp2p/core/Bootstrap"
import type { Connection } from "@qp2p/core/Connection"
import * as ConnectionId from "@qp2p/core/ConnectionId"
import * as ConnectionPool from "@qp2p/core/ConnectionPool"
import * as Endpoint from "@qp2p/core/Endpoint"
import * as PortMapper from "@qp2p/core/PortMapper"
import { address, bytes, textOf } from "../../core/test/support/values.ts"
import * as live from "./support/quicEndpoints.ts"
import {
  client,
  countingDials,
  endpoint,
  kill,
  onNetwork,
  pair,
  setLatency,
  settle
} from "../../core/test/support/memoryEndpoints.ts"
import { eventually, nothing } from "./support/quicEndpoints.ts"

/** `two` of `pair` is at 10.0.0.2:2; this is another address of its host. */
const name = "10.0.0.3:2"
const place = "10.0.0.2:2"

const addAddress = (host: string, further: string) =>
  Effect.flatMap(MemoryNetwork.MemoryNetwork, (network) => network.addAddress(host, further))

/** Two endpoints, the second of which answers from `place` when it is dialled at `name`. */
const multihomed = Effect.andThen(addAddress("10.0.0.2", "10.0.0.3"), pair())

const textOption = Option.map(String)

describe("a peer that answers from another address than it was dialled at", () => {
  it.effect("has one connection, however much is sent to the address that was dialled", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const [one, two] = yield* multihomed
        for (let i = 0; i < 20; i++) yield* one.sendMessage(bytes(`${i}`), name)
        yield* one.trySendMessage(bytes("20"), name)
        yield* one.openBidirectionalStream(name)
        const connection = yield* one.connectTo(name)
        assert.strictEqual(yield* one.connectToAny([name]), connection)
        assert.strictEqual(yield* one.connectTo(place), connection)
        assert.deepStrictEqual(dials.peers, [name])
        yield* two.nextConnection
        assert.isTrue(yield* nothing(two.nextConnection))
      })
    ).pipe(onNetwork)
  )

  it.effect("is found by the address that was dialled and by the one that it is at, under one id", () =>
    Effect.gen(function* () {
      const [one] = yield* multihomed
      const connection = yield* one.connectTo(name)
      assert.strictEqual(String(connection.remoteAddress), place)
      assert.deepStrictEqual(textOption(connection.dialledAddress), Option.some(name))
      assert.strictEqual(connection.id, ConnectionId.fromAddress(address(name)))
      assert.deepStrictEqual(yield* one.connectionId(name), Option.some(connection.id))
      assert.deepStrictEqual(yield* one.connectionId(place), Option.some(connection.id))
      assert.deepStrictEqual(textOption(yield* one.addressOf(connection.id)), Option.some(place))
    }).pipe(onNetwork)
  )

  it.effect("sees nothing of it: the connection there has one address, which its own side did not dial", () =>
    Effect.gen(function* () {
      const [one, two] = yield* multihomed
      yield* one.sendMessage(bytes("hello"), name)
      const { connectionId, peer } = yield* two.nextMessage
      assert.strictEqual(String(peer), "10.0.0.1:1")
      const connection = yield* two.nextConnection
      assert.isTrue(Option.isNone(connection.dialledAddress))
      assert.strictEqual(connectionId, connection.id)
      yield* two.sendMessage(bytes("and you"), peer)
      assert.strictEqual(String((yield* one.nextMessage).peer), place)
      assert.isTrue(yield* nothing(one.nextConnection))
    }).pipe(onNetwork)
  )

  for (const by of [name, place]) {
    it.effect(`is disconnected from by ${by === name ? "the address that was dialled" : "the one that it is at"}`, () =>
      Effect.gen(function* () {
        const [one, two] = yield* multihomed
        const { closed, id } = yield* one.connectTo(name)
        yield* one.disconnectFrom(by)
        assert.strictEqual((yield* closed)._tag, "LocallyClosed")
        assert.strictEqual((yield* two.nextDisconnection).reason._tag, "ApplicationClosed")
        for (const each of [name, place]) assert.isTrue(Option.isNone(yield* one.connectionId(each)), each)
        assert.isTrue(Option.isNone(yield* one.addressOf(id)))
        const { dialledAddress, peer } = yield* one.nextDisconnection
        assert.strictEqual(String(peer), place)
        assert.deepStrictEqual(textOption(dialledAddress), Option.some(name))
        const told = yield* one.trySendMessage(bytes("x"), name).pipe(Effect.flip)
        assert.strictEqual(told._tag, "NotConnected")
      }).pipe(onNetwork)
    )
  }

  for (const to of [name, place]) {
    it.effect(`is dialled where it was dialled before when a message to ${to} loses its connection`, () =>
      countingDials((dials) =>
        Effect.gen(function* () {
          const [one, two] = yield* multihomed
          const lost = yield* one.connectTo(name)
          yield* setLatency("100 millis")
          const sending = yield* Effect.forkChild(one.sendMessage(bytes("hello"), to))
          yield* settle
          yield* kill("10.0.0.1:1", place)
          yield* TestClock.adjust("5 seconds")
          yield* Fiber.join(sending)
          assert.deepStrictEqual(dials.peers, [name, name])
          assert.notStrictEqual(yield* one.connectTo(to), lost)
          assert.strictEqual(textOf((yield* two.nextMessage).payload), "hello")
        })
      ).pipe(onNetwork)
    )
  }

  it.effect("is dialled where it is when it takes no dial where it was dialled before, and that was asked for", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const [one, two] = yield* multihomed
        yield* one.connectTo(name)
        yield* setLatency("100 millis")
        const sending = yield* Effect.forkChild(one.sendMessage(bytes("hello"), place, { retryDuration: 0 }))
        yield* settle
        const network = yield* MemoryNetwork.MemoryNetwork
        yield* network.refuse(name)
        yield* kill("10.0.0.1:1", place)
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(sending)
        assert.deepStrictEqual(dials.peers, [name, name, place])
        assert.strictEqual(textOf((yield* two.nextMessage).payload), "hello")
      })
    ).pipe(onNetwork)
  )

  it.effect("gives way to a peer that is at the dialled address itself, and is found there again without it", () =>
    Effect.gen(function* () {
      const [one, two] = yield* multihomed
      const elsewhere = yield* one.connectTo(name)
      const three = yield* endpoint(name)
      yield* three.connectTo("10.0.0.1:1")
      const there = yield* one.nextConnection
      assert.strictEqual(yield* one.connectTo(name), there)
      yield* one.sendMessage(bytes("to three"), name)
      assert.strictEqual(textOf((yield* three.nextMessage).payload), "to three")
      // By where it is, the first is found as before.
      assert.strictEqual(yield* one.connectTo(place), elsewhere)
      yield* there.close()
      assert.strictEqual(yield* one.connectTo(name), elsewhere)
      yield* one.sendMessage(bytes("to two"), name)
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "to two")
    }).pipe(onNetwork)
  )

  it.effect("is disconnected from together with a peer that is at the dialled address itself", () =>
    Effect.gen(function* () {
      const [one] = yield* multihomed
      const elsewhere = yield* one.connectTo(name)
      const three = yield* endpoint(name)
      yield* three.connectTo("10.0.0.1:1")
      const there = yield* one.nextConnection
      yield* one.disconnectFrom(name)
      for (const { closed } of [elsewhere, there]) assert.strictEqual((yield* closed)._tag, "LocallyClosed")
      assert.isTrue(Option.isNone(yield* one.connectionId(name)))
    }).pipe(onNetwork)
  )

  it.effect("has a connection for each address that it was dialled at, and the oldest is used by each of them", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        const names = Array.from({ length: 20 }, (_, i) => `10.0.1.${i}`)
        for (const further of names) yield* addAddress("10.0.0.2", further)
        const connections = yield* Effect.forEach(names, (further) => one.connectTo(`${further}:2`))
        assert.strictEqual(new Set(connections).size, names.length)
        for (const peer of [...names.map((further) => `${further}:2`), place, two.peerId]) {
          assert.strictEqual(yield* one.connectTo(peer), connections[0])
        }
        assert.strictEqual(dials.peers.length, names.length)
        // They are connections with one peer: by any of its addresses, it is disconnected from.
        yield* one.disconnectFrom(`${names[7]}:2`)
        for (const _ of names) assert.strictEqual((yield* two.nextDisconnection).reason._tag, "ApplicationClosed")
        yield* one.connectTo(`${names[8]}:2`)
        assert.strictEqual(dials.peers.length, names.length + 1)
      })
    ).pipe(onNetwork)
  )

  it.effect("is not found by the dialled address when the pool has given its connection up", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const pools: Array<ConnectionPool.Pool> = []
        const own = Layer.succeed(ConnectionPool.ConnectionPool, {
          open: Effect.tap(ConnectionPool.make, (pool) => Effect.sync(() => pools.push(pool)))
        })
        yield* addAddress("10.0.0.2", "10.0.0.3")
        yield* endpoint(place)
        const one = yield* Layer.build(
          Layer.provide(Endpoint.layerWithoutDependencies({ localAddress: "10.0.0.1:1" }), [own, Bootstrap.layer])
        ).pipe(
          Effect.map((context) => Endpoint.Endpoint.pipe(Effect.provideContext(context))),
          Effect.flatten
        )
        const first = yield* one.connectTo(name)
        assert.strictEqual(yield* one.connectTo(name), first)
        pools[0]!.remove(first)
        assert.isTrue(Option.isNone(yield* one.connectionId(name)))
        assert.notStrictEqual(yield* one.connectTo(name), first)
        assert.deepStrictEqual(dials.peers, [name, name])
      })
    ).pipe(onNetwork)
  )
})

describe("a contact that answers from another address than it was dialled at", () => {
  for (const kind of ["an endpoint", "a client"] as const) {
    it.effect(`is ${kind}'s contact by the address that was given`, () =>
      Effect.gen(function* () {
        yield* addAddress("10.0.0.2", "10.0.0.3")
        yield* endpoint(place)
        const one = yield* (kind === "a client" ? client : endpoint)("10.0.0.1:1", {}, [name])
        assert.deepStrictEqual(textOption(one.bootstrapContact), Option.some(name))
        const { contact } = yield* one.bootstrap([address(name)])
        assert.deepStrictEqual(textOption(contact), Option.some(name))
      }).pipe(onNetwork)
    )
  }

  it.effect("is known to be this endpoint itself, if it is", () =>
    Effect.gen(function* () {
      yield* addAddress("127.0.0.1", "127.0.0.2")
      const one = yield* endpoint("0.0.0.0:1", {}, ["127.0.0.2:1"])
      assert.isTrue(Option.isNone(one.bootstrapContact))
    }).pipe(onNetwork)
  )
})

describe("a dialled peer that moves", () => {
  it.effect("is found where it was dialled and where it is, and nowhere that it has been, however often it moves", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      const gateway = yield* network.gateway({ address: "198.51.100.1", kind: "FullCone" })
      const one = yield* endpoint("10.0.0.1:1")
      const two = yield* Endpoint.make({ localAddress: "192.168.0.2:2" }).pipe(
        Effect.provide([MemoryTransport.layerHost({ address: "192.168.0.2", gateway }), PortMapper.layerNone])
      )
      // Opens the gateway for those who dial.
      yield* two.connectTo("10.0.0.1:1")
      yield* (yield* one.nextConnection).close()
      yield* two.nextDisconnection
      const connection = yield* one.connectTo("198.51.100.1:2")
      yield* two.nextConnection
      const found = (where: string) => Effect.map(one.connectionId(where), Option.contains(connection.id))
      for (let i = 2; i < 50; i++) {
        const [before, now] = [`198.51.100.${i - 1}:2`, `198.51.100.${i}:2`]
        yield* gateway.restart(`198.51.100.${i}`)
        yield* two.sendMessage(bytes(`${i}`), "10.0.0.1:1")
        // A packet proves nothing about where it came from.
        assert.strictEqual(String((yield* one.nextMessage).peer), before)
        yield* settle
        assert.strictEqual(String(connection.remoteAddress), now)
        assert.isTrue(yield* found(now))
        assert.isTrue(yield* found("198.51.100.1:2"))
        if (i > 2) assert.isFalse(yield* found(before), before)
        yield* one.trySendMessage(bytes("still there"), "198.51.100.1:2")
      }
      yield* one.disconnectFrom("198.51.100.1:2")
      assert.isFalse(yield* found("198.51.100.1:2"))
      assert.isFalse(yield* found("198.51.100.49:2"))
    }).pipe(onNetwork)
  )
})

describe("over QUIC", () => {
  // Linux has all of 127.0.0.0/8 without being told; others have one address of it.
  it.live.runIf(process.platform === "linux")(
    "a wildcard endpoint that is dialled at a second address of its machine has one connection, known by both",
    () =>
      Effect.gen(function* () {
        const one = yield* live.endpoint({}, [], "0.0.0.0:0")
        const two = yield* live.endpoint({}, [], "0.0.0.0:0")
        const { port } = two.localAddress
        const [dialled, answering] = [`127.0.0.2:${port}`, `127.0.0.1:${port}`]
        for (let i = 0; i < 20; i++) yield* one.sendMessage(bytes(`${i}`), dialled)
        const connection: Connection = yield* one.connectTo(dialled)
        yield* eventually(
          "it is found where it answers from",
          Effect.map(one.connectionId(answering), Option.contains(connection.id))
        )
        yield* one.sendMessage(bytes("20"), dialled)
        assert.deepStrictEqual(yield* one.connectionId(dialled), Option.some(connection.id))
        assert.strictEqual(yield* one.connectTo(answering), connection)
        yield* two.nextConnection
        assert.isTrue(yield* nothing(two.nextConnection))
        yield* one.disconnectFrom(dialled)
        assert.strictEqual((yield* two.nextDisconnection).reason._tag, "ApplicationClosed")
        for (const each of [dialled, answering]) assert.isTrue(Option.isNone(yield* one.connectionId(each)), each)
        assert.deepStrictEqual(textOption((yield* one.nextDisconnection).dialledAddress), Option.some(dialled))
        yield* one.sendMessage(bytes("again"), dialled)
        yield* two.nextConnection
      }).pipe(live.onLoopback)
  )
})
