/**
 * Several connections between two peers: dials that cross, and peers that come back.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import type * as Endpoint from "@qp2p/core/Endpoint"
import * as QuicheTransport from "../src/QuicheTransport.ts"
import { Transport } from "@qp2p/core/Transport"
import { bytes, textOf } from "../../core/test/support/values.ts"
import * as live from "./support/quicEndpoints.ts"
import * as memory from "../../core/test/support/memoryEndpoints.ts"
import { raw } from "../../core/test/support/bareSockets.ts"
import { blocked, Network } from "./support/impairedNetwork.ts"

type Service = Endpoint.Endpoint["Service"]

/** Both dial at once, so that there are two connections. */
const cross = Effect.fnUntraced(function* (one: Service, two: Service) {
  const [mine, theirs] = yield* Effect.all([one.connectTo(two.localAddress), two.connectTo(one.localAddress)], {
    concurrency: "unbounded"
  })
  yield* Effect.all([one.nextConnection, two.nextConnection])
  return [mine, theirs] as const
})

/** Fails unless what each sends by default arrives on the connection that the other sends on by default. */
const assertAgreed = Effect.fnUntraced(function* (one: Service, two: Service) {
  const payload = new Uint8Array(50_000)
  for (const [sender, receiver] of [
    [one, two],
    [two, one]
  ] as const) {
    const used = yield* receiver.connectTo(sender.localAddress)
    const before = yield* used.stats
    yield* sender.sendMessage(payload, receiver.localAddress)
    yield* receiver.nextMessage
    const after = yield* used.stats
    assert.isAtLeast(after.bytesReceived - before.bytesReceived, payload.length)
  }
})

describe("dials that cross", () => {
  it.effect("leave both sides with the same of the two connections", () =>
    Effect.gen(function* () {
      const [one, two] = yield* memory.pair()
      for (let round = 0; round < 5; round++) {
        const [mine, theirs] = yield* cross(one, two)
        yield* assertAgreed(one, two)
        yield* Effect.all([mine.close(), theirs.close()])
        yield* memory.settle
      }
    }).pipe(memory.onNetwork)
  )

  it.effect("leave it so however late the answers come", () =>
    Effect.gen(function* () {
      const [one, two] = yield* memory.pair()
      yield* memory.setLatency("50 millis")
      const crossing = yield* Effect.forkChild(cross(one, two))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(crossing)
      const agreed = yield* Effect.forkChild(assertAgreed(one, two))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(agreed)
    }).pipe(memory.onNetwork)
  )

  it.live("leave both sides with the same of the two connections, over QUIC, each time", () =>
    Effect.gen(function* () {
      const [one, two] = yield* live.pair()
      for (let round = 0; round < 20; round++) {
        const [mine, theirs] = yield* cross(one, two)
        yield* assertAgreed(one, two)
        yield* Effect.all([mine.close(), theirs.close()])
        yield* Effect.all([one.nextDisconnection, one.nextDisconnection, two.nextDisconnection, two.nextDisconnection])
      }
    }).pipe(live.onLoopback)
  )

  it.effect("leave the other connection to its users", () =>
    Effect.gen(function* () {
      const [one, two] = yield* memory.pair()
      const [mine, theirs] = yield* cross(one, two)
      yield* mine.send(bytes("on mine"))
      yield* theirs.send(bytes("on theirs"))
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "on mine")
      assert.strictEqual(textOf((yield* one.nextMessage).payload), "on theirs")
      yield* mine.close()
      yield* memory.settle
      yield* one.trySendMessage(bytes("on what is left"), two.localAddress)
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "on what is left")
    }).pipe(memory.onNetwork)
  )
})

describe("of several connections that a peer dialled one after the other", () => {
  for (const { name, on } of [
    { name: "in memory", on: "10.0.0.9:9" },
    { name: "over QUIC", on: "127.0.0.1:0" }
  ]) {
    const test = Effect.gen(function* () {
      const receiver = on === "127.0.0.1:0" ? yield* live.endpoint() : yield* memory.endpoint("10.0.0.1:1")
      const peer = yield* raw(on)
      const target = String(receiver.localAddress)
      const dialled = [yield* peer.dial(target), yield* peer.dial(target), yield* peer.dial(target)]
      for (let i = 0; i < 3; i++) yield* receiver.nextConnection
      for (const oldest of dialled) {
        const before = oldest.stats().bytesReceived
        yield* receiver.sendMessage(new Uint8Array(20_000), peer.address)
        assert.isAtLeast(oldest.stats().bytesReceived - before, 20_000)
        oldest.close(0, "")
        yield* receiver.nextDisconnection
      }
      assert.isTrue(Option.isNone(yield* receiver.connectionId(peer.address)))
    })
    const title = `the oldest that is left is used, ${name}`
    if (on === "127.0.0.1:0") it.live(title, () => live.onLoopback(test))
    else it.effect(title, () => memory.onNetwork(test))
  }
})

describe("a peer that comes back", () => {
  it.effect("is sent replies over its new connection, long before the dead one would have idled out", () =>
    Effect.gen(function* () {
      const [one, two] = yield* memory.pair({ idleTimeout: "1 hour" }, { idleTimeout: "1 hour" })
      yield* two.connectTo("10.0.0.1:1")
      yield* memory.settle
      // Like a crash of `two`: it has forgotten the connection, and `one` was not told.
      yield* memory.kill("10.0.0.2:2", "10.0.0.1:1")
      yield* two.sendMessage(bytes("I am back"), "10.0.0.1:1")
      const sending = yield* Effect.forkChild(one.sendMessage(bytes("welcome"), "10.0.0.2:2"))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(sending)
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "welcome")
      assert.strictEqual((yield* one.nextDisconnection).reason._tag, "IdleTimedOut")
    }).pipe(memory.onNetwork)
  )

  it.effect("keeps its older connection when that is alive", () =>
    Effect.gen(function* () {
      const [one, two] = yield* memory.pair()
      const first = yield* two.connectTo("10.0.0.1:1")
      // A connection of its own for the question.
      yield* two.isReachable("10.0.0.1:1")
      yield* TestClock.adjust("1 minute")
      assert.isTrue((yield* two.connectTo("10.0.0.1:1")) === first)
      yield* first.send(bytes("still here"))
      assert.strictEqual(textOf((yield* one.nextMessage).payload), "still here")
    }).pipe(memory.onNetwork)
  )

  it.live("is sent replies over its new connection, over QUIC, though the dead one would idle for an hour", () =>
    Effect.gen(function* () {
      const one = yield* live.endpoint({ idleTimeout: "1 hour", stallTimeout: "1 hour" })
      const network = new Network()
      const scope = yield* Scope.make()
      const doomed = yield* live
        .endpoint({ idleTimeout: "1 hour" })
        .pipe(
          Scope.provide(scope),
          Effect.provideService(Transport, QuicheTransport.make({ openSocket: network.openSocket }))
        )
      yield* doomed.connectTo(one.localAddress)
      yield* one.nextConnection
      // Like a crash: not a word of its end gets out.
      network.outgoing = blocked
      yield* Scope.close(scope, Exit.void)

      const reborn = yield* live.endpoint({}, [], doomed.localAddress)
      yield* reborn.sendMessage(bytes("I am back"), one.localAddress)
      yield* one.sendMessage(bytes("welcome"), reborn.localAddress)
      assert.strictEqual(textOf((yield* reborn.nextMessage).payload), "welcome")
    }).pipe(live.onLoopback)
  )
})
