/**
 * Operations take a peer by its key, with or without addresses, or by the address of the peer that answers there.
 */
import { assert, describe, it } from "@effect/vitest"
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Host from "effect/net/Host"
import * as AddressResolver from "effect/net/AddressResolver"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { PeerMismatch, PeerNotFound } from "../src/ConnectionError.ts"
import * as Endpoint from "../src/Endpoint.ts"
import * as PeerAddress from "../src/PeerAddress.ts"
import { ConnectionLost, NotConnected } from "../src/SendError.ts"
import { address, bytes, textOf } from "./support/values.ts"
import {
  blackhole,
  countingDials,
  endpoint,
  kill,
  onNetwork,
  pair,
  refuse,
  setLatency,
  settle
} from "./support/memoryEndpoints.ts"

const here = "10.0.0.1:1"
const there = "10.0.0.2:2"
const nowhere = TestIdentity.make("nowhere").peerId

describe("a peer with a key", () => {
  it.effect("is dialled at its address, and found by its key alone from then on", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        const peer = Result.getOrThrow(PeerAddress.fromString(`${two.peerId}@${there}`))
        const connection = yield* one.connectTo(peer)
        for (const input of [peer, String(peer), two.peerId, there, address(there), `${two.peerId}@10.0.0.9:9`]) {
          assert.isTrue((yield* one.connectTo(input)) === connection)
          assert.deepStrictEqual(yield* one.connectionId(input), Option.some(connection.id))
          yield* one.sendMessage(bytes("hello"), input)
          yield* one.trySendMessage(bytes("hello"), input)
        }
        assert.deepStrictEqual(dials.peers, [there])
        yield* two.sendMessage(bytes("back"), one.peerId)
        assert.strictEqual(textOf((yield* one.nextMessage).payload), "back")
        yield* one.disconnectFrom(two.peerId)
        yield* settle
        assert.deepStrictEqual(yield* one.connectionId(two.peerId), Option.none())
      })
    ).pipe(onNetwork)
  )

  it.effect("is not another peer at its address: that one hears of nothing, and the next address is tried", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const three = yield* endpoint("10.0.0.3:3")
      const mismatch = new PeerMismatch({ expected: three.peerId, actual: two.peerId, address: address(there) })
      const wrong = `${three.peerId}@${there}`
      assert.deepStrictEqual(yield* Effect.flip(one.connectTo(wrong)), mismatch)
      const lost = new ConnectionLost({ reason: mismatch })
      assert.deepStrictEqual(yield* Effect.flip(one.sendMessage(bytes("secret"), wrong)), lost)
      assert.deepStrictEqual(yield* Effect.flip(one.isReachable(wrong)), lost)
      yield* settle
      assert.deepStrictEqual(yield* two.connections, [])
      assert.deepStrictEqual(yield* one.connections, [])
      const connection = yield* one.connectTo(`${wrong},10.0.0.3:3`)
      assert.strictEqual(connection.peerId, three.peerId)
      assert.strictEqual(String(connection.remoteAddress), "10.0.0.3:3")
      yield* one.isReachable(`${wrong},10.0.0.3:3`)
    }).pipe(onNetwork)
  )

  it.effect("without an address is PeerNotFound, and not connected, until there is a connection", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const one = yield* endpoint(here)
        const notFound = new PeerNotFound({ peerId: nowhere })
        const lost = new ConnectionLost({ reason: notFound })
        assert.deepStrictEqual(yield* Effect.flip(one.connectTo(nowhere)), notFound)
        assert.deepStrictEqual(yield* Effect.flip(one.openBidirectionalStream(nowhere)), notFound)
        assert.deepStrictEqual(yield* Effect.flip(one.sendMessage(bytes("x"), nowhere)), lost)
        assert.deepStrictEqual(yield* Effect.flip(one.isReachable(nowhere)), lost)
        const none = yield* Effect.flip(one.trySendMessage(bytes("x"), nowhere))
        assert.deepStrictEqual(none, new NotConnected({ peer: nowhere }))
        yield* one.disconnectFrom(nowhere)
        assert.deepStrictEqual(dials.peers, [])
      })
    ).pipe(onNetwork)
  )

  it.effect("is dialled again, by its key, at the addresses where it was last when its connection is lost", () =>
    Effect.gen(function* () {
      const identity = TestIdentity.make("two")
      const one = yield* endpoint(here)
      const make = Endpoint.make({ localAddress: there, identity })
      const two = yield* make
      yield* one.connectTo(`${identity.peerId}@${there}`)
      yield* two.nextConnection
      yield* two.close
      const again = yield* make
      yield* settle
      yield* one.sendMessage(bytes("again"), `${identity.peerId}@${there}`)
      assert.strictEqual(textOf((yield* again.nextMessage).payload), "again")
      yield* again.close
      yield* endpoint(there)
      yield* settle
      // Another peer is there now.
      const lost = yield* Effect.flip(one.sendMessage(bytes("never"), `${identity.peerId}@${there}`))
      assert.strictEqual(lost._tag === "ConnectionLost" ? lost.reason._tag : lost._tag, "PeerMismatch")
    }).pipe(onNetwork)
  )

  it.effect(
    "is dialled once at each address when its connection is lost: where it was, and where the caller knows it",
    () =>
      countingDials((dials) =>
        Effect.gen(function* () {
          const [one, two] = yield* pair({ retryDuration: 0 })
          yield* one.connectTo(`${two.peerId}@${there}`)
          yield* settle
          yield* setLatency("50 millis")
          const peer = `${two.peerId}@10.0.0.8:8`
          const sending = yield* Effect.forkChild(Effect.flip(one.sendMessage(bytes("lost"), peer)), {
            startImmediately: true
          })
          dials.peers.length = 0
          for (const place of [there, "10.0.0.8:8"]) yield* refuse(place)
          yield* kill(here, there)
          yield* TestClock.adjust("1 second")
          assert.strictEqual((yield* Fiber.join(sending))._tag, "ConnectionLost")
          assert.deepStrictEqual(dials.peers, [there, "10.0.0.8:8"])
        })
      ).pipe(onNetwork)
  )

  it.effect("is tried at each of its addresses, and the error is one after which to try again, if there is one", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const [one, two] = yield* pair({ retryDuration: 0 })
        yield* refuse("10.0.0.8:8")
        yield* blackhole("10.0.0.9:9")
        const connecting = yield* Effect.forkChild(one.connectTo(`${two.peerId}@10.0.0.8:8,10.0.0.9:9,${there}`))
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* Fiber.join(connecting)).peerId, two.peerId)
        assert.deepStrictEqual(dials.peers, ["10.0.0.8:8", "10.0.0.9:9", there])
        const both = yield* Effect.flip(one.connectTo(`${nowhere}@${there},10.0.0.8:8`))
        assert.notStrictEqual(both._tag, "PeerMismatch")
      })
    ).pipe(onNetwork)
  )
})

describe("a caller that joins the dial of another one", () => {
  /** Callers of one peer, which is at the second address: the first one knows only another address. */
  const joined = (known: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const [one, two] = yield* pair({ retryDuration: 0 })
      yield* blackhole("10.0.0.9:9")
      const outcomes = yield* Effect.forEach(["10.0.0.9:9", ...known], (at) =>
        Effect.forkChild(Effect.result(one.connectTo(`${two.peerId}@${at}`)), { startImmediately: true })
      )
      return { one, two, outcomes }
    })

  const tagOf = (result: Result.Result<unknown, { readonly _tag: string }>) =>
    Result.isSuccess(result) ? "connected" : result.failure._tag

  it.effect("dials its own addresses when that dial fails, once for all who know them", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const { outcomes } = yield* joined([there, "10.0.0.9:9", there])
        yield* TestClock.adjust("1 minute")
        const tags = (yield* Fiber.joinAll(outcomes)).map(tagOf)
        assert.deepStrictEqual(tags, ["ConnectionTimedOut", "connected", "ConnectionTimedOut", "connected"])
        assert.deepStrictEqual(dials.peers, ["10.0.0.9:9", there])
      })
    ).pipe(onNetwork)
  )
})

describe("a peer whose host is a name", () => {
  const resolver = (table: Readonly<Record<string, ReadonlyArray<string>>>) =>
    AddressResolver.AddressResolver.of({
      resolve: ((target: Host.HostPort) =>
        Effect.suspend(() => {
          const found = table[Host.formatHostPort(target)]
          return found === undefined
            ? Effect.fail(new NetAddress.NetAddressError({ input: "", reason: "NXDOMAIN" } as never))
            : Effect.succeed(found.map(address))
        })) as never
    })

  it.effect("is an invalid address without a resolver", () =>
    Effect.gen(function* () {
      const one = yield* endpoint(here)
      for (const peer of ["two.example:2", `${nowhere}@two.example:2`]) {
        const error = yield* Effect.flip(one.connectTo(peer))
        assert.strictEqual(error._tag, "InvalidAddress")
        assert.match(error.message, /AddressResolver/u)
      }
    }).pipe(onNetwork)
  )

  it.effect("is not dialled again at an address that was tried already", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const table = { "two.example:2": [there, "10.0.0.8:8"] }
        for (const place of [there, "10.0.0.8:8"]) yield* refuse(place)
        const one = yield* Effect.provideService(
          endpoint(here, { retryDuration: 0 }),
          AddressResolver.AddressResolver,
          resolver(table)
        )
        for (const [peer, expected] of [
          [`${nowhere}@${there},two.example:2`, [there, "10.0.0.8:8"]],
          [`${nowhere}@two.example:2,10.0.0.8:8,${there}`, [there, "10.0.0.8:8"]],
          [`${nowhere}@two.example:2,three.example:3,two.example:2`, [there, "10.0.0.8:8"]]
        ] as const) {
          const error = yield* Effect.flip(one.connectTo(peer))
          assert.strictEqual(error._tag, "TransportError")
          assert.deepStrictEqual(dials.peers.splice(0), [...expected])
        }
      })
    ).pipe(onNetwork)
  )

  it.effect("is resolved when it is dialled, and each of its addresses is tried", () =>
    Effect.gen(function* () {
      const table: Record<string, ReadonlyArray<string>> = { "two.example:2": ["10.0.0.8:2", there] }
      yield* refuse("10.0.0.8:2")
      const one = yield* Effect.provideService(endpoint(here), AddressResolver.AddressResolver, resolver(table))
      const two = yield* endpoint(there)
      for (const peer of ["two.example:2", `${two.peerId}@two.example:2`]) {
        const connection = yield* one.connectTo(peer)
        assert.strictEqual(connection.peerId, two.peerId)
        yield* one.sendMessage(bytes("hello"), peer)
        assert.strictEqual((yield* one.connections).length, 1)
      }
      const unknown = yield* Effect.flip(one.connectTo("three.example:3"))
      assert.strictEqual(unknown._tag, "InvalidAddress")
      // The name belongs to another machine now.
      yield* one.disconnectFrom(two.peerId)
      const three = yield* endpoint("10.0.0.3:3")
      table["two.example:2"] = ["10.0.0.3:3"]
      assert.strictEqual((yield* one.connectTo("two.example:2")).peerId, three.peerId)
      const error = yield* Effect.flip(one.connectTo(`${two.peerId}@two.example:2`))
      assert.strictEqual(error._tag, "PeerMismatch")
    }).pipe(onNetwork)
  )
})
