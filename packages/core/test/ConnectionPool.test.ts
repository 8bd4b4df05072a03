import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { Connection } from "../src/Connection.ts"
import { type ConnectionError, ConnectionTimedOut } from "../src/ConnectionError.ts"
import { type ConnectionId, fromAddress } from "../src/ConnectionId.ts"
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import * as ConnectionPool from "../src/ConnectionPool.ts"
import type { PeerId } from "../src/PeerId.ts"
import { address } from "./support/values.ts"
import { settle } from "./support/memoryEndpoints.ts"

class Fake implements Connection {
  readonly id: ConnectionId
  readonly peerId: PeerId
  readonly accepted = Effect.void
  readonly direction = "Inbound"
  remoteAddress: NetAddress.InetAddress
  readonly dialledAddress: Option.Option<NetAddress.InetAddress>
  readonly send = () => Effect.never
  readonly maxDatagramSize = 0
  readonly sendDatagram = () => Effect.never
  readonly openUni = () => Effect.never
  readonly openBi = () => Effect.never
  readonly openProtocol = () => Effect.never
  readonly close = () => Effect.never
  readonly closed = Effect.never
  readonly stats = Effect.never

  /** A connection with the peer at `peer`, whose key is that of the address unless it is named. */
  constructor(peer: string, name = peer, dialled?: string) {
    this.peerId = TestIdentity.make(name).peerId
    this.dialledAddress = Option.map(Option.fromUndefinedOr(dialled), address)
    this.remoteAddress = address(peer)
    this.id = fromAddress(this.remoteAddress)
  }
}

const here = "192.0.2.1:1"
const there = "192.0.2.2:2"
const timedOut = new ConnectionTimedOut({ peer: address(here) })

describe("the indexes", () => {
  it.effect("find connections by address, however it is written, and by id", () =>
    Effect.gen(function* () {
      const pool = yield* ConnectionPool.make
      const connection = new Fake("[2001:db8::1]:1")
      assert.isUndefined(pool.current(connection.remoteAddress))
      assert.isTrue(Option.isNone(pool.byId(connection.id)))
      pool.add(connection)
      assert.isTrue(pool.current(address("[2001:db8:0:0::1]:1")) === connection)
      assert.deepStrictEqual(pool.byId(connection.id), Option.some<Connection>(connection))
      assert.isUndefined(pool.current(address("[2001:db8::1]:2")))
      pool.remove(connection)
      assert.isUndefined(pool.current(connection.remoteAddress))
      assert.isTrue(Option.isNone(pool.byId(connection.id)))
      assert.strictEqual(pool.size(), 0)
    })
  )

  it.effect(
    "find a peer by its key, by every address where it is or was dialled, and through any of its connections",
    () =>
      Effect.gen(function* () {
        const pool = yield* ConnectionPool.make
        const old = new Fake(here, "ann", there)
        const young = new Fake("192.0.2.3:3", "ann")
        pool.add(young, "b")
        pool.add(old, "a")
        for (const peer of [old.peerId, address(here), address(there), address("192.0.2.3:3")]) {
          assert.isTrue(pool.current(peer) === old)
          assert.deepStrictEqual(pool.all(peer), [old, young])
        }
        pool.remove(old)
        assert.isTrue(pool.current(old.peerId) === young)
        for (const alias of [here, there]) assert.isUndefined(pool.current(address(alias)))
        pool.remove(young)
        assert.isUndefined(pool.current(young.peerId))
        assert.deepStrictEqual(pool.all(young.peerId), [])
      })
  )

  it.effect("take an address for the peer that is there, before one that was only dialled there", () =>
    Effect.gen(function* () {
      const pool = yield* ConnectionPool.make
      const [at, dialled, later] = [
        new Fake(there, "at"),
        new Fake(here, "dialled", there),
        new Fake("192.0.2.3:3", "later", there)
      ]
      for (const connection of [dialled, at, later]) pool.add(connection)
      assert.deepStrictEqual(pool.all(address(there)), [at, later, dialled])
      pool.remove(at)
      assert.isTrue(pool.current(address(there)) === later)
      pool.add(at)
      assert.isTrue(pool.current(address(there)) === at)
    })
  )

  it.effect("do not put a peer's connection before those of another key, whatever seniority it has chosen", () =>
    Effect.gen(function* () {
      const pool = yield* ConnectionPool.make
      const honest = [new Fake(here, "honest"), new Fake(here, "honest")] as const
      const hostile = [new Fake(here, "hostile"), new Fake(here, "hostile")] as const
      pool.add(honest[1], "b")
      pool.add(hostile[0], "")
      pool.add(honest[0], "a")
      pool.add(hostile[1], "")
      const oldest = () => Option.getOrUndefined(pool.byId(honest[0].id))
      assert.isTrue(oldest() === honest[0])
      assert.isTrue(pool.current(honest[0].peerId) === honest[0])
      assert.deepStrictEqual(pool.all(honest[0].peerId), [honest[0], honest[1]])
      pool.remove(honest[0])
      assert.isTrue(oldest() === honest[1])
      pool.remove(honest[1])
      assert.isTrue(oldest() === hostile[0])
    })
  )

  it.effect("take an address of several peers for the one that came last, and know all of them", () =>
    Effect.gen(function* () {
      const pool = yield* ConnectionPool.make
      const [before, after] = [new Fake(here, "before"), new Fake(here, "after")]
      pool.add(before, "a")
      pool.add(after, "b")
      assert.isTrue(pool.current(address(here)) === after)
      assert.deepStrictEqual(pool.all(address(here)), [after, before])
      assert.isTrue(pool.current(before.peerId) === before)
      pool.remove(after)
      assert.isTrue(pool.current(address(here)) === before)
    })
  )

  it.effect("put several connections with one address in the order of their seniority, however they come", () =>
    Effect.gen(function* () {
      const pool = yield* ConnectionPool.make
      const [a, b, c, unknown] = [new Fake(here), new Fake(here), new Fake(here), new Fake(here)]
      pool.add(b, "b")
      pool.add(unknown)
      pool.add(c, "c")
      assert.isTrue(pool.current(address(here)) === b)
      pool.add(a, "a")
      assert.isTrue(pool.current(address(here)) === a)
      assert.deepStrictEqual(pool.byId(a.id), Option.some<Connection>(a))
      assert.deepStrictEqual(
        pool.all(address(here)).filter((connection) => connection !== unknown),
        [a, b, c]
      )
      // A connection that comes from elsewhere keeps its place among those it finds there.
      const moved = new Fake(there)
      pool.add(moved, "0")
      moved.remoteAddress = address(here)
      pool.readdress(moved)
      assert.isTrue(pool.current(address(here)) === moved)
      assert.isUndefined(pool.current(address(there)))
    })
  )

  it.effect("prefer the oldest of several connections with one address, and know all", () =>
    Effect.gen(function* () {
      const pool = yield* ConnectionPool.make
      const [a, b, c] = [new Fake(here), new Fake(here), new Fake(here)]
      for (const connection of [a, b, c]) pool.add(connection)
      assert.isTrue(pool.current(address(here)) === a)
      assert.strictEqual(pool.all(address(here)).length, 3)
      pool.remove(a)
      assert.isTrue(pool.current(address(here)) === b)
      assert.deepStrictEqual(pool.byId(a.id), Option.some<Connection>(b))
      pool.remove(c)
      assert.isTrue(pool.current(address(here)) === b)
      pool.remove(b)
      pool.remove(b)
      assert.deepStrictEqual(pool.all(address(here)), [])
    })
  )

  it.effect("follow a connection whose address changes, under its id", () =>
    Effect.gen(function* () {
      const pool = yield* ConnectionPool.make
      const connection = new Fake(here)
      pool.add(connection)
      connection.remoteAddress = address(there)
      pool.readdress(connection)
      assert.isUndefined(pool.current(address(here)))
      assert.isTrue(pool.current(address(there)) === connection)
      assert.deepStrictEqual(pool.byId(connection.id), Option.some<Connection>(connection))
      pool.remove(connection)
      assert.isUndefined(pool.current(address(there)))
      assert.isTrue(Option.isNone(pool.byId(connection.id)))
    })
  )

  it.effect("do not take in a connection that moves after it was removed", () =>
    Effect.gen(function* () {
      const pool = yield* ConnectionPool.make
      const connection = new Fake(here)
      pool.add(connection)
      pool.remove(connection)
      pool.readdress(connection)
      assert.strictEqual(pool.size(), 0)
    })
  )

  it.effect("hand out lists that do not change under the reader's feet", () =>
    Effect.gen(function* () {
      const pool = yield* ConnectionPool.make
      const [a, b] = [new Fake(here), new Fake(here)]
      pool.add(a)
      pool.add(b)
      const all = pool.all(address(here))
      for (const connection of all) pool.remove(connection)
      assert.strictEqual(all.length, 2)
    })
  )
})

describe("connect", () => {
  /** A dial that the test decides. */
  const dial = (peer: string) =>
    Effect.map(Deferred.make<Connection, ConnectionError>(), (outcome) => {
      const state = { started: 0, interrupted: 0 }
      const effect = Effect.suspend(() => {
        state.started += 1
        return Deferred.await(outcome)
      }).pipe(Effect.onInterrupt(() => Effect.sync(() => (state.interrupted += 1))))
      return { state, effect, outcome, connection: new Fake(peer) }
    })

  it.effect("takes the connection that there is, without a dial", () =>
    Effect.gen(function* () {
      const pool = yield* ConnectionPool.make
      const { effect, state } = yield* dial(here)
      const connection = new Fake(here)
      pool.add(connection)
      assert.isTrue((yield* pool.connect(address(here), effect)) === connection)
      assert.strictEqual(state.started, 0)
    })
  )

  it.effect("shares one dial and its result among all callers, but only for one address", () =>
    Effect.gen(function* () {
      const pool = yield* ConnectionPool.make
      const first = yield* dial(here)
      const second = yield* dial(there)
      const callers = yield* Effect.forEach([1, 2, 3], () =>
        Effect.forkChild(pool.connect(address(here), first.effect))
      )
      const other = yield* Effect.forkChild(pool.connect(address(there), second.effect))
      yield* settle
      assert.deepStrictEqual([first.state.started, second.state.started], [1, 1])
      yield* Deferred.succeed(first.outcome, first.connection)
      for (const connection of yield* Fiber.joinAll(callers)) assert.isTrue(connection === first.connection)
      assert.isUndefined(other.pollUnsafe())
      yield* Fiber.interrupt(other)
    })
  )

  it.effect("shares a failure, and dials anew for the next caller", () =>
    Effect.gen(function* () {
      const pool = yield* ConnectionPool.make
      const { effect, outcome, state } = yield* dial(here)
      const callers = yield* Effect.forEach([1, 2], () =>
        Effect.forkChild(Effect.flip(pool.connect(address(here), effect)))
      )
      yield* settle
      yield* Deferred.fail(outcome, timedOut)
      assert.deepStrictEqual(yield* Fiber.joinAll(callers), [timedOut, timedOut])
      assert.strictEqual(yield* Effect.flip(pool.connect(address(here), effect)), timedOut)
      assert.strictEqual(state.started, 2)
    })
  )

  it.effect("a dial that fails at once fails the caller, and is forgotten", () =>
    Effect.gen(function* () {
      const pool = yield* ConnectionPool.make
      let dials = 0
      const failing = Effect.suspend(() => {
        dials += 1
        return Effect.fail(timedOut)
      })
      for (let i = 1; i <= 3; i++) {
        assert.strictEqual(yield* Effect.flip(pool.connect(address(here), failing)), timedOut)
        assert.strictEqual(dials, i)
      }
    })
  )

  it.effect("interrupts the dial with its last caller only, and dials anew for the next", () =>
    Effect.gen(function* () {
      const pool = yield* ConnectionPool.make
      const { connection, effect, outcome, state } = yield* dial(here)
      const [first, second] = yield* Effect.all([
        Effect.forkChild(pool.connect(address(here), effect)),
        Effect.forkChild(pool.connect(address(here), effect))
      ])
      yield* settle
      yield* Fiber.interrupt(first)
      assert.deepStrictEqual(state, { started: 1, interrupted: 0 })
      yield* Fiber.interrupt(second)
      assert.deepStrictEqual(state, { started: 1, interrupted: 1 })
      const third = yield* Effect.forkChild(pool.connect(address(here), effect))
      yield* settle
      assert.strictEqual(state.started, 2)
      yield* Deferred.succeed(outcome, connection)
      assert.isTrue((yield* Fiber.join(third)) === connection)
      assert.strictEqual(state.interrupted, 1)
    })
  )

  it.effect("a newcomer does not get a dial that is being given up", () =>
    Effect.gen(function* () {
      const pool = yield* ConnectionPool.make
      const release = yield* Deferred.make<void>()
      let dials = 0
      // Takes its time to be interrupted.
      const slow = Effect.suspend(() => {
        dials += 1
        return Effect.onInterrupt(Effect.never, () => Deferred.await(release))
      })
      const connection = new Fake(here)
      const first = yield* Effect.forkChild(pool.connect(address(here), slow))
      yield* settle
      const giving = yield* Effect.forkChild(Fiber.interrupt(first))
      yield* settle
      assert.isTrue((yield* pool.connect(address(here), Effect.succeed(connection))) === connection)
      assert.strictEqual(dials, 1)
      yield* Deferred.succeed(release, undefined)
      yield* Fiber.join(giving)
    })
  )

  it.effect("ends the dials with its scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const pool = yield* Scope.provide(ConnectionPool.make, scope)
      const { effect, state } = yield* dial(here)
      const caller = yield* Effect.forkChild(pool.connect(address(here), effect))
      yield* settle
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(state.interrupted, 1)
      assert.isTrue(Exit.isFailure(yield* Fiber.await(caller)))
    })
  )
})

describe("layer", () => {
  it.effect("opens a pool for each caller", () =>
    Effect.gen(function* () {
      const { open } = yield* ConnectionPool.ConnectionPool
      const [one, two] = yield* Effect.all([open, open])
      one.add(new Fake(here))
      assert.strictEqual(one.size(), 1)
      assert.strictEqual(two.size(), 0)
    }).pipe(Effect.provide(ConnectionPool.layer))
  )
})
