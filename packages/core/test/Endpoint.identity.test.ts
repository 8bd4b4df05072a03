/**
 * Endpoints know each other by their keys.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Bootstrap from "../src/Bootstrap.ts"
import * as ConnectionPool from "../src/ConnectionPool.ts"
import * as Endpoint from "../src/Endpoint.ts"
import { EndpointConfigError } from "../src/EndpointError.ts"
import type { PeerAddress } from "../src/PeerAddress.ts"
import * as Identity from "../src/Identity.ts"
import { address, bytes } from "./support/values.ts"
import { client, endpoint, onNetwork, pair, settle } from "./support/memoryEndpoints.ts"

const here = "10.0.0.1:1"
const there = "10.0.0.2:2"

describe("an endpoint's key", () => {
  it.effect("is its identity's, however that is given, or a new one", () =>
    Effect.gen(function* () {
      const identity = yield* Identity.generate
      for (const [i, given] of [
        identity,
        Effect.succeed(identity),
        Effect.delay(Effect.succeed(identity), 1)
      ].entries()) {
        const starting = yield* Effect.forkChild(Endpoint.make({ localAddress: `10.0.0.1:${i + 1}`, identity: given }))
        yield* TestClock.adjust(1)
        assert.strictEqual((yield* Fiber.join(starting)).peerId, identity.peerId)
      }
      const [one, other] = yield* Effect.all([endpoint("10.0.0.2:1"), endpoint("10.0.0.2:2")])
      assert.strictEqual(new Set([one.peerId, other.peerId, identity.peerId]).size, 3)
    }).pipe(onNetwork)
  )

  it.effect("is an error when it cannot be read, and nothing is bound then", () =>
    Effect.gen(function* () {
      const failed = new Identity.IdentityError({ detail: "no such file" })
      const options = { localAddress: here, identity: Effect.fail(failed) }
      assert.strictEqual(yield* Effect.flip(Endpoint.make(options)), failed)
      assert.strictEqual(yield* Effect.flip(Endpoint.makeClient(options)), failed)
      yield* endpoint(here)
    }).pipe(onNetwork)
  )

  it.effect("is an error when it is none, for callers without types", () =>
    Effect.gen(function* () {
      const identity = yield* Identity.generate
      for (const wrong of [
        "key",
        1,
        {},
        identity.peerId,
        { ...identity, peerId: "x" },
        { ...identity, secretKey: "x" }
      ]) {
        const error = yield* Effect.flip(Endpoint.make({ localAddress: here, identity: wrong as never }))
        if (!(error instanceof EndpointConfigError)) assert.fail(error._tag)
        assert.strictEqual(error.path, "identity")
        const made = Endpoint.make({ localAddress: here, identity: Effect.succeed(wrong as never) })
        assert.instanceOf(yield* Effect.flip(made), Identity.IdentityError)
      }
    }).pipe(onNetwork)
  )
})

describe("a peer's key", () => {
  it.effect("is on its connections, its messages and its disconnections, on both sides", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const outbound = yield* one.connectTo(there)
      const inbound = yield* two.nextConnection
      assert.deepStrictEqual([outbound.peerId, inbound.peerId], [two.peerId, one.peerId])
      yield* one.sendMessage(bytes("to two"), there)
      yield* two.sendMessage(bytes("to one"), here)
      assert.strictEqual((yield* two.nextMessage).peerId, one.peerId)
      assert.strictEqual((yield* one.nextMessage).peerId, two.peerId)
      yield* outbound.close()
      yield* settle
      assert.strictEqual((yield* one.nextDisconnection).peerId, two.peerId)
      assert.strictEqual((yield* two.nextDisconnection).peerId, one.peerId)
    }).pipe(onNetwork)
  )

  it.effect("is another one after a restart without its identity, and the same with it", () =>
    Effect.gen(function* () {
      const one = yield* endpoint(here)
      const identity = yield* Identity.generate
      const ids: Array<string> = []
      for (const given of [identity, identity, undefined]) {
        const two = yield* Endpoint.make({ localAddress: there, ...(given === undefined ? {} : { identity: given }) })
        ids.push((yield* one.connectTo(there)).peerId)
        yield* two.close
        yield* settle
        const { last, peerId } = yield* one.nextDisconnection
        assert.deepStrictEqual([last, peerId as string], [true, ids.at(-1)])
      }
      assert.deepStrictEqual(ids.slice(0, 2), [identity.peerId, identity.peerId])
      assert.notStrictEqual(ids[2], identity.peerId)
    }).pipe(onNetwork)
  )

  it.effect("is what counts for the last disconnection: another address of the peer is no other peer", () =>
    Effect.gen(function* () {
      const identity = yield* Identity.generate
      const one = yield* endpoint(here)
      // Two processes with one key.
      for (const local of ["10.0.0.2:2", "10.0.0.3:3"]) yield* Endpoint.make({ localAddress: local, identity })
      const first = yield* one.connectTo("10.0.0.2:2")
      const second = yield* one.connectTo("10.0.0.3:3")
      assert.strictEqual(first.peerId, second.peerId)
      yield* second.close()
      yield* first.close()
      yield* settle
      assert.isFalse((yield* one.nextDisconnection).last)
      assert.isTrue((yield* one.nextDisconnection).last)
      assert.deepStrictEqual(yield* one.connectionId(address(there)), Option.none())
    }).pipe(onNetwork)
  )
})

describe("an endpoint's own address", () => {
  it.effect("has its key and where it can be dialled, and is what another endpoint dials", () =>
    Effect.gen(function* () {
      const one = yield* endpoint(here)
      assert.strictEqual(String(one.peerAddress), `${one.peerId}@${here}`)
      const two = yield* endpoint(there, {}, [one.peerAddress])
      assert.deepStrictEqual(Option.map(two.bootstrapContact, String), Option.some(String(one.peerAddress)))
      assert.strictEqual((yield* two.connectTo(String(one.peerAddress))).peerId, one.peerId)
      const local = yield* endpoint("127.0.0.1:5")
      assert.strictEqual(String(local.peerAddress), `${local.peerId}@127.0.0.1:5`)
    }).pipe(onNetwork)
  )

  it.effect("of a client is its key alone", () =>
    Effect.gen(function* () {
      const one = yield* client(here)
      assert.strictEqual(String(one.peerAddress), one.peerId)
    }).pipe(onNetwork)
  )

  it.effect(
    "follows the public address: each change once, the latest for a slow reader, until the endpoint stops",
    () =>
      Effect.gen(function* () {
        const found = ["198.51.100.1:1", "198.51.100.1:1", "198.51.100.2:2", "198.51.100.3:3", "198.51.100.4:4"]
        const bootstrap = Bootstrap.Bootstrap.of({
          run: () =>
            Effect.sync(() => ({ publicAddress: address(found.shift()!), contact: Option.none<PeerAddress>() })),
          respond: () => Effect.succeedNone
        })
        const context = yield* Layer.build(
          Endpoint.layerWithoutDependencies({ localAddress: here }).pipe(
            Layer.provide(Layer.succeed(Bootstrap.Bootstrap, bootstrap)),
            Layer.provide(ConnectionPool.layer)
          )
        )
        const one = Context.get(context, Endpoint.Endpoint)
        const whole = (external: string) => `${one.peerId}@${external},${here}`
        const seen: Array<string> = []
        const reading = yield* Effect.forkChild(
          Stream.runForEach(one.peerAddressChanges, (each) => Effect.sync(() => seen.push(String(each)))),
          { startImmediately: true }
        )
        yield* settle
        assert.deepStrictEqual(seen, [whole("198.51.100.1:1")])
        yield* one.bootstrap()
        yield* settle
        assert.lengthOf(seen, 1)
        yield* one.bootstrap()
        yield* settle
        assert.deepStrictEqual(seen.slice(1), [whole("198.51.100.2:2")])
        assert.strictEqual(String(one.peerAddress), whole("198.51.100.2:2"))
        const gate = yield* Deferred.make<void>()
        const late: Array<string> = []
        yield* Effect.forkChild(
          Stream.runForEach(one.peerAddressChanges, (each) =>
            Effect.andThen(
              Deferred.await(gate),
              Effect.sync(() => late.push(String(each)))
            )
          ),
          { startImmediately: true }
        )
        yield* settle
        yield* one.bootstrap()
        yield* one.bootstrap()
        yield* settle
        yield* Deferred.succeed(gate, undefined)
        yield* settle
        assert.deepStrictEqual(late, [whole("198.51.100.2:2"), whole("198.51.100.4:4")])
        yield* one.close
        yield* Fiber.join(reading)
      }).pipe(onNetwork)
  )
})
