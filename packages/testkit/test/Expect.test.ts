/**
 * What is expected of endpoints, and what is said when it does not come.
 */
import { assert, describe, it } from "@effect/vitest"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as Expect from "../src/Expect.ts"
import { MemoryNetwork } from "../src/MemoryNetwork.ts"
import * as MemoryTransport from "../src/MemoryTransport.ts"
import { Pair, layerPair } from "../src/Topology.ts"
import { ramp, settle, text } from "./support/recordingSockets.ts"

const places = { address: (index: number) => `10.0.0.${index + 1}:${index + 1}` }

const inMemory = Effect.provide(
  Layer.provideMerge(layerPair(places), Layer.merge(MemoryTransport.layerNetwork(), PortMapper.layerNone))
)
const overQuic = Effect.provide(Layer.provide(layerPair(), [QuicheTransport.layer(), PortMapper.layerNone]))

const one = "10.0.0.1:1"
const two = "10.0.0.2:2"

/** Sends from the first of the pair to the second, one message after the other. */
const send = (...payloads: ReadonlyArray<string | Uint8Array>) =>
  Effect.flatMap(Pair, (pair) =>
    Effect.forEach(payloads, (payload) =>
      pair.one.sendMessage(typeof payload === "string" ? text(payload) : payload, pair.two.localAddress)
    )
  )

const failure = <A>(expectation: Effect.Effect<A, Expect.ExpectationError>) =>
  Effect.map(Effect.flip(expectation), ({ message, reason }) => ({ reason, message }))

describe("Expect.message", () => {
  const program = Effect.gen(function* () {
    const { one, two } = yield* Pair
    yield* send("first", "second")
    const first = yield* Expect.message(two, { from: one.localAddress, payload: "first" })
    assert.deepStrictEqual(first.payload, text("first"))
    const second = yield* Expect.message(two, { from: String(one.localAddress), payload: text("second") })
    assert.deepStrictEqual(second.payload, text("second"))
  })

  it.effect("takes the next one", () => inMemory(program))

  it.live("takes the next one over QUIC", () => overQuic(program))

  it.effect("waits for one that comes later", () =>
    Effect.gen(function* () {
      const { two } = yield* Pair
      const network = yield* MemoryNetwork
      yield* network.setLatency("1 second")
      const waiting = yield* Effect.forkChild(Expect.message(two, { payload: "late" }))
      yield* Effect.forkChild(send("late"))
      yield* TestClock.adjust("2500 millis")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual((yield* Fiber.join(waiting)).payload, text("late"))
    }).pipe(inMemory)
  )

  it.effect("fails at the first that is another, and tells of it", () =>
    Effect.gen(function* () {
      const { two } = yield* Pair
      yield* send("other", "this")
      assert.deepStrictEqual(yield* failure(Expect.message(two, { from: one, payload: "this" })), {
        reason: "Different",
        message:
          `10.0.0.2:2 expected a message of 4 bytes "this" from 10.0.0.1:1, but got something else; what came:\n` +
          `  a message of 5 bytes "other" from 10.0.0.1:1, other than expected from byte 0 on`
      })
      yield* Expect.message(two, { payload: "this" })
      yield* send("mine")
      assert.deepStrictEqual(yield* failure(Expect.message(two, { from: "10.0.0.9:9", payload: "mine" })), {
        reason: "Different",
        message:
          `10.0.0.2:2 expected a message of 4 bytes "mine" from 10.0.0.9:9, but got something else; what came:\n` +
          `  a message of 4 bytes "mine" from 10.0.0.1:1`
      })
    }).pipe(inMemory)
  )

  it.effect("says where long messages part", () =>
    Effect.gen(function* () {
      const { two } = yield* Pair
      const wrong = ramp(1000)
      wrong[777] = 0xff
      yield* send(wrong, ramp(999))
      const { message } = yield* failure(Expect.message(two, { payload: ramp(1000) }))
      assert.include(message, "other than expected from byte 777 on")
      const shorter = yield* failure(Expect.message(two, { payload: ramp(1000) }))
      assert.include(shorter.message, "other than expected from byte 999 on")
    }).pipe(inMemory)
  )

  it.effect("skips others when told to, and tells of the latest of them", () =>
    Effect.gen(function* () {
      const { two } = yield* Pair
      yield* send("a", "b", "c")
      yield* Expect.message(two, { payload: "b", skipOthers: true })
      yield* Expect.message(two, { payload: "c" })
      yield* send(...Array.from({ length: 12 }, (_, index) => `no ${index}`))
      const error = yield* Effect.flip(Expect.message(two, { payload: "yes", skipOthers: true, within: "50 millis" }))
      assert.strictEqual(error.reason, "TimedOut")
      assert.strictEqual(error.seenInAll, 12)
      const [outcome, before, first, ...others] = error.message.split("\n")
      assert.strictEqual(
        outcome,
        `10.0.0.2:2 expected a message of 3 bytes "yes", but did not get it within 50ms; what came:`
      )
      assert.strictEqual(before, "  (2 more before)")
      assert.strictEqual(first, `  a message of 4 bytes "no 2" from 10.0.0.1:1, other than expected from byte 0 on`)
      assert.strictEqual(others.length, 9)
      assert.include(others[8], "no 11")
    }).pipe(inMemory)
  )

  const nothing = Effect.gen(function* () {
    const { two } = yield* Pair
    const { message, reason } = yield* failure(Expect.message(two, { within: "20 millis" }))
    assert.strictEqual(reason, "TimedOut")
    assert.strictEqual(message, `${two.localAddress} expected a message, but did not get it within 20ms; nothing came`)
  })

  it.effect("fails in real time, though the test's clock stands still", () => inMemory(nothing))

  it.live("fails in real time where there is no other", () => overQuic(nothing))

  it.effect("takes with no time to wait only what is there", () =>
    Effect.gen(function* () {
      const { two } = yield* Pair
      assert.strictEqual((yield* failure(Expect.message(two, { within: 0 }))).reason, "TimedOut")
      yield* send("here")
      yield* Expect.message(two, { within: 0, payload: "here" })
    }).pipe(inMemory)
  )

  it.effect("fails when the endpoint has stopped", () =>
    Effect.gen(function* () {
      const { two } = yield* Pair
      const waiting = yield* Effect.forkChild(failure(Expect.message(two)))
      yield* two.close
      assert.deepStrictEqual(yield* Fiber.join(waiting), {
        reason: "Stopped",
        message: "10.0.0.2:2 expected a message, but has stopped"
      })
    }).pipe(inMemory)
  )

  it.effect("refuses a sender whose text is no address", () =>
    Effect.gen(function* () {
      const { two } = yield* Pair
      yield* send("kept")
      assert.deepStrictEqual(yield* failure(Expect.message(two, { from: "somebody" })), {
        reason: "InvalidAddress",
        message: "10.0.0.2:2 expected a message from somebody, but cannot: that is no address"
      })
      yield* Expect.message(two, { payload: "kept" })
    }).pipe(inMemory)
  )

  it.effect("knows a sender by either form of its address", () =>
    Effect.gen(function* () {
      const { two } = yield* Pair
      yield* send("x")
      yield* Expect.message(two, { from: "[::ffff:10.0.0.1]:1" })
    }).pipe(inMemory)
  )
})

describe("Expect.connection and Expect.disconnection", () => {
  it.effect("take the next one, from whom it must be", () =>
    Effect.gen(function* () {
      const pair = yield* Pair
      yield* pair.one.connectTo(two)
      const made = yield* Expect.connection(pair.two, { from: one })
      assert.strictEqual(String(made.remoteAddress), one)
      yield* pair.one.disconnectFrom(two)
      const ended = yield* Expect.disconnection(pair.two, { from: one, reason: "ApplicationClosed" })
      assert.strictEqual(ended.reason._tag, "ApplicationClosed")
      yield* Expect.disconnection(pair.one, { from: two, reason: "LocallyClosed" })
    }).pipe(inMemory)
  )

  it.effect("say what came instead", () =>
    Effect.gen(function* () {
      const pair = yield* Pair
      yield* pair.one.connectTo(two)
      assert.deepStrictEqual(yield* failure(Expect.connection(pair.two, { from: two })), {
        reason: "Different",
        message:
          "10.0.0.2:2 expected a connection from 10.0.0.2:2, but got something else; what came:\n" +
          "  a connection from 10.0.0.1:1"
      })
      yield* pair.one.disconnectFrom(two)
      assert.deepStrictEqual(yield* failure(Expect.disconnection(pair.two, { reason: "IdleTimedOut" })), {
        reason: "Different",
        message:
          "10.0.0.2:2 expected a disconnection (IdleTimedOut), but got something else; what came:\n" +
          "  a disconnection (ApplicationClosed) from 10.0.0.1:1: closed by the peer with code 0"
      })
      const late = { skipOthers: true, within: "20 millis" } as const
      assert.strictEqual((yield* failure(Expect.connection(pair.two, late))).reason, "TimedOut")
      assert.strictEqual((yield* failure(Expect.disconnection(pair.two, late))).reason, "TimedOut")
    }).pipe(inMemory)
  )
})

describe("Expect.silence", () => {
  it.effect("finds nothing where nothing came, and counts neither connections nor their ends", () =>
    Effect.gen(function* () {
      const pair = yield* Pair
      yield* pair.one.connectTo(two)
      yield* Expect.silence(pair.two)
      yield* Expect.connection(pair.two)
      yield* pair.one.disconnectFrom(two)
      yield* Expect.silence(pair.two)
      yield* Expect.disconnection(pair.two)
      yield* pair.two.close
      yield* Expect.silence(pair.two)
      yield* Expect.silence(pair.two, { during: "10 millis" })
    }).pipe(inMemory)
  )

  it.effect("tells of a message that is there", () =>
    Effect.gen(function* () {
      const { two } = yield* Pair
      yield* send("psst")
      assert.deepStrictEqual(yield* failure(Expect.silence(two)), {
        reason: "Unexpected",
        message: `10.0.0.2:2 expected silence, but got something; what came:\n  a message of 4 bytes "psst" from 10.0.0.1:1`
      })
    }).pipe(inMemory)
  )

  it.effect("tells of a message that comes with no time between", () =>
    Effect.gen(function* () {
      const { two } = yield* Pair
      yield* Effect.forkChild(send("psst"))
      assert.strictEqual((yield* failure(Expect.silence(two))).reason, "Unexpected")
    }).pipe(inMemory)
  )

  it.effect("listens for as long as it is told", () =>
    Effect.gen(function* () {
      const { two } = yield* Pair
      const network = yield* MemoryNetwork
      yield* network.setLatency("1 second")
      const listening = yield* Effect.forkChild(failure(Expect.silence(two, { during: "20 seconds" })))
      yield* Effect.forkChild(send("psst"))
      // Far more turns than it looks for without being told.
      for (let round = 0; round < 10; round++) yield* settle
      assert.isUndefined(listening.pollUnsafe())
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(listening)).reason, "Unexpected")
    }).pipe(inMemory)
  )
})
