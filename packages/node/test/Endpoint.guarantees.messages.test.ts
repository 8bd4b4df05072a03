/**
 * What docs/guarantees.md says of single messages, where no other test shows it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { createHash } from "node:crypto"
import type { Endpoint } from "@qp2p/core/Endpoint"
import type { SendError } from "@qp2p/core/SendError"
import * as WireMessage from "@qp2p/core/WireMessage"
import { bytes, textOf } from "../../core/test/support/values.ts"
import {
  apart,
  blackhole,
  countingDials,
  endpoint,
  heal,
  kill,
  lossOf,
  onNetwork,
  pair,
  pass,
  peer,
  refuse,
  setLatency,
  settle,
  sha256,
  taken,
  takenTexts
} from "../../core/test/support/memoryEndpoints.ts"
import { raw } from "../../core/test/support/bareSockets.ts"
import { pattern } from "./support/quicSockets.ts"

describe("a confirmation", () => {
  it.effect("comes when the peer's transport has the whole message, byte for byte", () =>
    Effect.gen(function* () {
      const arrived = createHash("sha256")
      const one = yield* endpoint("10.0.0.1:1")
      yield* raw(peer, () => ({
        onData: (chunk) => {
          arrived.update(chunk)
          return true
        },
        onEnd: () => {}
      }))
      yield* setLatency("50 millis")
      const payload = pattern(1_000_000)
      const sending = yield* Effect.forkChild(
        Effect.map(one.sendMessage(payload, peer), () => arrived.copy().digest("hex"))
      )
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(sending), sha256(WireMessage.encodeUser(payload)))
    }).pipe(onNetwork)
  )

  it.effect("does not say that the application has taken the message, or ever will", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair({}, { messageBuffer: 1 })
      for (const text of ["a", "b", "c"]) yield* one.sendMessage(bytes(text), peer)
      yield* two.close
      assert.deepStrictEqual(yield* takenTexts(two), ["a"])
    }).pipe(onNetwork)
  )
})

describe("a message whose acknowledgement is lost", () => {
  it.effect("arrives twice with sendMessage, which then is done", () =>
    Effect.gen(function* () {
      const { one, two } = yield* apart
      const sending = yield* Effect.forkChild(one.sendMessage(bytes("x"), peer))
      yield* TestClock.adjust("60 millis")
      yield* kill("10.0.0.1:1", peer)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(sending)
      assert.deepStrictEqual(yield* takenTexts(two), ["x", "x"])
    }).pipe(onNetwork)
  )

  it.effect("arrives once with connection.send and with trySendMessage, which fail", () =>
    Effect.gen(function* () {
      const { connection, one, two } = yield* apart
      const sends = yield* Effect.all([
        Effect.forkChild(Effect.flip(connection.send(bytes("send")))),
        Effect.forkChild(Effect.flip(one.trySendMessage(bytes("try"), peer)))
      ])
      yield* TestClock.adjust("60 millis")
      yield* kill("10.0.0.1:1", peer)
      yield* TestClock.adjust("1 minute")
      for (const send of sends) assert.strictEqual(lossOf(yield* Fiber.join(send)), "TransportError")
      assert.deepStrictEqual(yield* takenTexts(two), ["send", "try"])
    }).pipe(onNetwork)
  )

  it.effect("is sent once more by sendMessage also when the retry duration is 0", () =>
    countingDials((dials) =>
      Effect.gen(function* () {
        const { one, two } = yield* apart
        const sending = yield* Effect.forkChild(one.sendMessage(bytes("x"), peer, { retryDuration: 0 }))
        yield* pass(60)
        yield* kill("10.0.0.1:1", peer)
        // The connection that it now makes is lost as well, with the second acknowledgement.
        yield* pass(160)
        yield* kill("10.0.0.1:1", peer)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(lossOf(yield* Effect.flip(Fiber.join(sending))), "TransportError")
        assert.deepStrictEqual(yield* takenTexts(two), ["x", "x"])
        assert.strictEqual(dials.peers.length, 2)
      })
    ).pipe(onNetwork)
  )
})

describe("a sendMessage that failed", () => {
  const cases = [
    { may: "may have", cut: refuse, after: 60, arrives: ["x"] },
    { may: "may not have", cut: blackhole, after: 40, arrives: [] }
  ]
  for (const { after, arrives, cut, may } of cases) {
    it.effect(`${may} delivered the message`, () =>
      Effect.gen(function* () {
        const { one, two } = yield* apart
        const sending = yield* Effect.forkChild(Effect.flip(one.sendMessage(bytes("x"), peer)))
        yield* TestClock.adjust(after)
        yield* cut(peer)
        yield* kill("10.0.0.1:1", peer)
        yield* TestClock.adjust("5 minutes")
        assert.strictEqual((yield* Fiber.join(sending))._tag, "ConnectionLost")
        yield* heal
        yield* TestClock.adjust("5 minutes")
        assert.deepStrictEqual(yield* takenTexts(two), arrives)
      }).pipe(onNetwork)
    )
  }
})

describe("order", () => {
  const texts = Array.from({ length: 300 }, (_, i) => String(i))

  /** Takes as many messages, at another pace each time. */
  const takenSlowly = Effect.fnUntraced(function* (from: Endpoint["Service"]) {
    const order: Array<string> = []
    while (order.length < texts.length) {
      order.push(textOf((yield* from.nextMessage).payload))
      for (let turn = 0; turn < order.length % 5; turn++) yield* Effect.yieldNow
    }
    return order
  })

  it.effect("holds among the messages of one stream, also when the receiver lags behind", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair({}, { messageBuffer: 2 })
      const stream = yield* Effect.flatMap(one.connectTo(peer), (connection) => connection.openUni())
      const sending = yield* Effect.forkChild(
        Effect.andThen(
          Effect.forEach(texts, (text) => stream.sendMessage(bytes(text)), { discard: true }),
          stream.finish
        )
      )
      assert.deepStrictEqual(yield* takenSlowly(two), texts)
      yield* Fiber.join(sending)
    }).pipe(onNetwork)
  )

  it.effect("holds among messages that come in one packet, too", () =>
    Effect.gen(function* () {
      const two = yield* endpoint(peer, { messageBuffer: 2 })
      const connection = yield* Effect.flatMap(raw("10.0.0.6:6"), ({ dial }) => dial(peer))
      const frames = texts.map((text) => WireMessage.encodeUser(bytes(text)))
      connection.openUni(0).write(new Uint8Array(Buffer.concat(frames)), true, () => {})
      assert.deepStrictEqual(yield* takenSlowly(two), texts)
    }).pipe(onNetwork)
  )

  it.effect("does not hold between two sends, not even when the first was confirmed before the second began", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair({}, { messageBuffer: 1 })
      yield* one.sendMessage(bytes("takes the room"), peer)
      yield* one.sendMessage(bytes("first"), peer)
      // On its way when room is made: it arrives before the first one, which waits for that, has been told.
      const second = yield* Effect.forkChild(one.sendMessage(bytes("second"), peer), { startImmediately: true })
      const order: Array<string> = []
      while (order.length < 3) order.push(textOf((yield* two.nextMessage).payload))
      yield* Fiber.join(second)
      assert.deepStrictEqual(order, ["takes the room", "second", "first"])
    }).pipe(onNetwork)
  )

  it.effect("of two sends is not kept when the first has to be tried again", () =>
    Effect.gen(function* () {
      yield* refuse(peer)
      const [one, two] = yield* pair()
      const first = yield* Effect.forkChild(one.sendMessage(bytes("first"), peer))
      yield* settle
      yield* heal
      yield* one.sendMessage(bytes("second"), peer)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(first)
      assert.deepStrictEqual(yield* takenTexts(two), ["second", "first"])
    }).pipe(onNetwork)
  )
})

describe("a message of which the sending is cut short", () => {
  const cuts: ReadonlyArray<
    readonly [
      how: string,
      cut: (nodes: {
        readonly one: Endpoint["Service"]
        readonly two: Endpoint["Service"]
        readonly sending: Fiber.Fiber<void, SendError>
      }) => Effect.Effect<unknown, unknown>
    ]
  > = [
    ["by interruption", ({ sending }) => Fiber.interrupt(sending)],
    ["by its own side's disconnectFrom", ({ one }) => one.disconnectFrom(peer)],
    ["by the peer's disconnectFrom", ({ two }) => two.disconnectFrom("10.0.0.1:1")],
    ["by the close of its endpoint", ({ one }) => one.close],
    ["by the close of the peer's endpoint", ({ two }) => two.close]
  ]
  for (const [how, cut] of cuts) {
    it.effect(`${how} arrives whole or not at all`, () =>
      Effect.gen(function* () {
        yield* setLatency("50 millis")
        const payload = pattern(500_000)
        const arrived: Array<number> = []
        for (const time of [0, 25, 50, 75, 100, 125, 149, 150, 151, 199, 200, 201]) {
          yield* Effect.gen(function* () {
            const [one, two] = yield* pair()
            const connecting = yield* Effect.forkChild(one.connectTo(peer))
            yield* TestClock.adjust("1 second")
            const connection = yield* Fiber.join(connecting)
            const sending = yield* Effect.forkChild(connection.send(payload))
            yield* TestClock.adjust(time)
            yield* Effect.forkChild(cut({ one, two, sending }))
            yield* TestClock.adjust("1 minute")
            const exit = yield* Fiber.await(sending)
            const messages = yield* taken(two)
            for (const message of messages) assert.strictEqual(sha256(message), sha256(payload))
            if (Exit.isSuccess(exit)) assert.strictEqual(messages.length, 1)
            arrived.push(messages.length)
          }).pipe(Effect.scoped)
        }
        assert.deepStrictEqual([...new Set(arrived)].toSorted(), [0, 1])
      }).pipe(onNetwork)
    )
  }
})

describe("a stream's own sendMessage", () => {
  it.effect("delivers its message whole although it is interrupted, and the stream goes on", () =>
    Effect.gen(function* () {
      const { connection, two } = yield* apart
      const stream = yield* connection.openUni()
      const large = pattern(1_000_000)
      const sending = yield* Effect.forkChild(stream.sendMessage(large))
      yield* TestClock.adjust("60 millis")
      assert.isUndefined(sending.pollUnsafe())
      yield* Fiber.interrupt(sending)
      const finishing = yield* Effect.forkChild(Effect.andThen(stream.sendMessage(bytes("next")), stream.finish))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(finishing)
      assert.deepStrictEqual((yield* taken(two)).map(sha256), [sha256(large), sha256(bytes("next"))])
    }).pipe(onNetwork)
  )
})
