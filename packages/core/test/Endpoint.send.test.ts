import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import { address, bytes, summary, textOf } from "./support/values.ts"
import {
  blackhole,
  countingDials,
  endpoint,
  heal,
  kill,
  onNetwork,
  pair,
  refuse,
  setLatency,
  settle
} from "./support/memoryEndpoints.ts"

describe("sendMessage", () => {
  it.effect("dials if there is no connection, and the message names its sender", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        yield* one.sendMessage(bytes("first"), "10.0.0.2:2")
        yield* one.sendMessage(bytes("second"), address("10.0.0.2:2"))
        const first = yield* two.nextMessage
        assert.deepStrictEqual(summary(first), { peer: "10.0.0.1:1", text: "first", reply: false })
        assert.deepStrictEqual(yield* two.connectionId("10.0.0.1:1"), Option.some(first.connectionId))
        assert.strictEqual(textOf((yield* two.nextMessage).payload), "second")
        assert.strictEqual(dials.peers.length, 1)
      })
    ).pipe(onNetwork)
  )

  it.effect("is done when the peer has acknowledged, not before", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      yield* one.connectTo("10.0.0.2:2")
      yield* setLatency("50 millis")
      const sending = yield* Effect.forkChild(one.sendMessage(bytes("x"), "10.0.0.2:2"))
      yield* TestClock.adjust("50 millis")
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "x")
      yield* TestClock.adjust("49 millis")
      assert.isUndefined(sending.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(sending)
    }).pipe(onNetwork)
  )

  it.effect("sends the message again over a new connection when the pooled one turns out dead", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        yield* one.sendMessage(bytes("before"), "10.0.0.2:2")
        const before = yield* two.nextMessage
        yield* setLatency("50 millis")
        const sending = yield* Effect.forkChild(one.sendMessage(bytes("after"), "10.0.0.2:2"))
        yield* TestClock.adjust("10 millis")
        // The message and its connection are both lost on the way.
        yield* kill("10.0.0.1:1", "10.0.0.2:2")
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(sending)
        assert.strictEqual(dials.peers.length, 2)
        const after = yield* two.nextMessage
        assert.strictEqual(textOf(after.payload).slice(0, 5), "after")
        assert.strictEqual(after.connectionId, before.connectionId)
      })
    ).pipe(onNetwork)
  )

  it.effect("dials anew when the connection is gone already", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const [one, two] = yield* pair()
        yield* one.sendMessage(bytes("before"), "10.0.0.2:2")
        yield* kill("10.0.0.1:1", "10.0.0.2:2")
        yield* settle
        yield* one.sendMessage(bytes("after"), "10.0.0.2:2")
        assert.strictEqual(dials.peers.length, 2)
        assert.strictEqual(textOf((yield* two.nextMessage).payload), "before")
        assert.strictEqual(textOf((yield* two.nextMessage).payload), "after")
      })
    ).pipe(onNetwork)
  )

  it.effect("keeps trying until the peer is back", () =>
    Effect.gen(function* () {
      yield* refuse("10.0.0.2:2")
      const [one, two] = yield* pair()
      const sending = yield* Effect.forkChild(one.sendMessage(bytes("at last"), "10.0.0.2:2"))
      yield* settle
      yield* TestClock.adjust("10 seconds")
      assert.isUndefined(sending.pollUnsafe())
      yield* heal
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(sending)
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "at last")
    }).pipe(onNetwork)
  )

  it.effect("fails with ConnectionLost and the last dial's error once the call's own retry duration has passed", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        yield* refuse("10.0.0.9:9")
        const one = yield* endpoint("10.0.0.1:1", { retryDuration: "1 hour" })
        const none = yield* Effect.flip(one.sendMessage(bytes("x"), "10.0.0.9:9", { retryDuration: 0 }))
        assert.deepInclude(none, { _tag: "ConnectionLost" })
        assert.strictEqual(dials.peers.length, 1)

        const sending = yield* Effect.forkChild(
          Effect.flip(one.sendMessage(bytes("x"), "10.0.0.9:9", { retryDuration: "5 seconds" }))
        )
        yield* settle
        yield* TestClock.adjust("1 minute")
        const error = yield* Fiber.join(sending)
        assert.strictEqual(error._tag === "ConnectionLost" ? error.reason._tag : error._tag, "TransportError")
        assert.isAbove(dials.peers.length, 3)
        assert.isAtMost(dials.times.at(-1)!, 5_000 + 7_000)
      })
    ).pipe(onNetwork)
  )

  it.effect("fails with ConnectionLost of InvalidAddress for what is no address", () =>
    Effect.gen(function* () {
      const one = yield* endpoint("10.0.0.1:1")
      for (const send of [one.sendMessage, one.trySendMessage]) {
        const error = yield* Effect.flip(send(bytes("x"), "nowhere"))
        assert.strictEqual(error._tag === "ConnectionLost" ? error.reason._tag : error._tag, "InvalidAddress")
      }
    }).pipe(onNetwork)
  )

  it.effect("refuses empty and oversized payloads with SerializationError, and takes the largest that is allowed", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair({ maxMessageSize: 1_000 })
      const connection = yield* one.connectTo("10.0.0.2:2")
      const bi = yield* one.openBidirectionalStream("10.0.0.2:2")
      const ways: ReadonlyArray<(payload: Uint8Array) => Effect.Effect<void, { readonly _tag: string }>> = [
        (payload) => one.sendMessage(payload, "10.0.0.2:2"),
        (payload) => one.trySendMessage(payload, "10.0.0.2:2"),
        connection.send,
        bi.send.sendMessage
      ]
      for (const send of ways) {
        assert.strictEqual((yield* Effect.flip(send(new Uint8Array(0))))._tag, "SerializationError")
        assert.strictEqual((yield* Effect.flip(send(new Uint8Array(1_001))))._tag, "SerializationError")
        yield* send(new Uint8Array(1_000))
        assert.strictEqual((yield* two.nextMessage).payload.length, 1_000)
      }
    }).pipe(onNetwork)
  )

  it.effect("fails with SerializationError without a connection, and without a dial", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        yield* refuse("10.0.0.9:9")
        const one = yield* endpoint("10.0.0.1:1", { maxMessageSize: 1_000 })
        const sending = yield* Effect.forkChild(Effect.flip(one.sendMessage(new Uint8Array(0), "10.0.0.9:9")))
        yield* settle
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual((yield* Fiber.join(sending))._tag, "SerializationError")
        assert.strictEqual(dials.peers.length, 0)
      })
    ).pipe(onNetwork)
  )

  it.effect("fails with StreamLost when the message is too large for the receiver, which goes on receiving", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair({}, { maxMessageSize: 1_000 })
      for (const size of [1_001, 100_000, 1_000_000]) {
        const error = yield* Effect.flip(one.sendMessage(new Uint8Array(size), "10.0.0.2:2"))
        assert.strictEqual(error._tag === "StreamLost" ? error.reason._tag : error._tag, "StreamStopped")
      }
      const connection = yield* one.connectTo("10.0.0.2:2")
      yield* one.sendMessage(bytes("fits"), "10.0.0.2:2")
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "fits")
      assert.strictEqual(yield* one.connectTo("10.0.0.2:2"), connection)
    }).pipe(onNetwork)
  )

  it.effect("leaves the connection usable when it is interrupted", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair({}, { messageBuffer: 1 })
      const connection = yield* one.connectTo("10.0.0.2:2")
      yield* setLatency("50 millis")
      for (let round = 0; round < 20; round++) {
        const sending = yield* Effect.forkChild(one.sendMessage(new Uint8Array(500_000), "10.0.0.2:2"))
        yield* TestClock.adjust("75 millis")
        yield* Fiber.interrupt(sending)
      }
      const sending = yield* Effect.forkChild(one.sendMessage(bytes("usable"), "10.0.0.2:2"))
      yield* TestClock.adjust("10 seconds")
      let text = ""
      while (text !== "usable") text = textOf((yield* two.nextMessage).payload.subarray(0, 6))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(sending)
      assert.strictEqual(yield* one.connectTo("10.0.0.2:2"), connection)
    }).pipe(onNetwork)
  )

  it.effect("does not dial for a message of which the connection is interrupted", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const one = yield* endpoint("10.0.0.1:1")
        const sending = yield* Effect.forkChild(one.sendMessage(bytes("x"), "10.0.0.9:9"))
        yield* settle
        yield* Fiber.interrupt(sending)
        assert.strictEqual(dials.givenUp, 1)
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(dials.peers.length, 1)
      })
    ).pipe(onNetwork)
  )

  it.effect("puts the higher priority first", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      yield* one.connectTo("10.0.0.2:2")
      yield* setLatency("50 millis")
      // Fills the connection's window, so that what follows has to queue.
      const bulk = yield* Effect.forkChild(one.sendMessage(new Uint8Array(1_000_000), "10.0.0.2:2"))
      yield* settle
      const sends = yield* Effect.forEach([-1, 0, 5, 3], (priority) =>
        Effect.forkChild(one.sendMessage(bytes(String(priority)), "10.0.0.2:2", { priority }))
      )
      yield* settle
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.joinAll([bulk, ...sends])
      const order: Array<string> = []
      for (let i = 0; i < 5; i++) {
        const { payload } = yield* two.nextMessage
        if (payload.length < 3) order.push(textOf(payload))
      }
      assert.deepStrictEqual(order, ["5", "3", "0", "-1"])
    }).pipe(onNetwork)
  )
})

describe("trySendMessage", () => {
  it.effect("fails with NotConnected, and does not dial", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const [one] = yield* pair()
        const error = yield* Effect.flip(one.trySendMessage(bytes("x"), "10.0.0.2:2"))
        assert.strictEqual(error._tag === "NotConnected" ? String(error.peer) : error._tag, "10.0.0.2:2")
        assert.strictEqual(dials.peers.length, 0)
      })
    ).pipe(onNetwork)
  )

  it.effect("sends over the existing connection, whichever side dialled it", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      yield* one.connectTo("10.0.0.2:2")
      yield* settle
      yield* one.trySendMessage(bytes("ping"), "10.0.0.2:2")
      yield* two.trySendMessage(bytes("pong"), "10.0.0.1:1")
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "ping")
      assert.strictEqual(textOf((yield* one.nextMessage).payload), "pong")
    }).pipe(onNetwork)
  )

  it.effect("does not try again when the connection is lost on the way", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const [one] = yield* pair()
        yield* one.connectTo("10.0.0.2:2")
        yield* blackhole("10.0.0.2:2")
        const sending = yield* Effect.forkChild(Effect.flip(one.trySendMessage(bytes("x"), "10.0.0.2:2")))
        yield* settle
        let whileConnected = 0
        yield* Effect.forkChild(
          Effect.andThen(
            one.nextDisconnection,
            Effect.sync(() => {
              whileConnected = dials.peers.length
            })
          )
        )
        yield* TestClock.adjust("5 minutes")
        const error = yield* Fiber.join(sending)
        assert.strictEqual(error._tag === "ConnectionLost" ? error.reason._tag : error._tag, "ConnectionTimedOut")
        // Whether the peer is back was for the connection to find out, and came to nothing; with its end that was over.
        assert.deepStrictEqual([dials.peers.length, dials.givenUp], [whileConnected, whileConnected - 1])
      })
    ).pipe(onNetwork)
  )
})
