import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { bytes, textOf } from "./support/values.ts"
import { logged } from "./support/logs.ts"
import { blackhole, client, endpoint, kill, onNetwork, pair, settle } from "./support/memoryEndpoints.ts"

const names = (count: number) => Array.from({ length: count }, (_, i) => `message ${i}`)

describe("incoming messages", () => {
  it.effect("nextMessage takes exactly one, and leaves the rest", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      for (const name of names(5)) yield* one.sendMessage(bytes(name), "10.0.0.2:2")
      const taken: Array<string> = []
      for (let i = 0; i < 5; i++) taken.push(textOf((yield* two.nextMessage).payload))
      assert.deepStrictEqual(taken, names(5))
      assert.isUndefined((yield* Effect.forkChild(two.nextMessage)).pollUnsafe())
    }).pipe(onNetwork)
  )

  it.effect("go to one consumer each", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const taken: Array<string> = []
      const note = ({ payload }: { readonly payload: Uint8Array }) =>
        Effect.sync(() => void taken.push(textOf(payload)))
      const consumers = yield* Effect.all([
        Effect.forkChild(Stream.runForEach(two.incomingMessages, note)),
        Effect.forkChild(Stream.runForEach(two.incomingMessages, note)),
        Effect.forkChild(Effect.forever(Effect.flatMap(two.nextMessage, note))),
        Effect.forkChild(Effect.forever(Effect.flatMap(two.nextMessage, note)))
      ])
      yield* Effect.forEach(names(200), (name) => one.sendMessage(bytes(name), "10.0.0.2:2"), {
        concurrency: "unbounded",
        discard: true
      })
      yield* settle
      yield* Fiber.interruptAll(consumers)
      assert.deepStrictEqual(taken.toSorted(), names(200).toSorted())
    }).pipe(onNetwork)
  )

  it.effect("are not lost to a taker that is interrupted", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      yield* one.connectTo("10.0.0.2:2")
      const taken: Array<string> = []
      for (const name of names(50)) {
        const taker = yield* Effect.forkChild(two.nextMessage)
        yield* settle
        const sending = yield* Effect.forkChild(one.sendMessage(bytes(name), "10.0.0.2:2"))
        // At another moment each time.
        for (let turn = 0; turn < taken.length % 9; turn++) yield* Effect.yieldNow
        yield* Fiber.interrupt(taker)
        yield* Fiber.join(sending)
        const exit = taker.pollUnsafe()
        const message = exit?._tag === "Success" ? exit.value : yield* two.nextMessage
        taken.push(textOf(message.payload))
      }
      assert.deepStrictEqual(taken, names(50))
    }).pipe(onNetwork)
  )

  it.effect("hold the sender back when messageBuffer is full, and nothing is lost", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair({}, { messageBuffer: 3, messageBufferBytes: 2 ** 40 })
      // More than a stream's window: what nobody reads cannot all have arrived.
      const payload = (i: number) => new Uint8Array(500_000).fill(i)
      let sent = 0
      const sends = yield* Effect.forEach(names(40), (_, i) =>
        Effect.forkChild(
          Effect.andThen(
            one.sendMessage(payload(i), "10.0.0.2:2"),
            Effect.sync(() => (sent += 1))
          )
        )
      )
      for (let i = 0; i < 20; i++) yield* settle
      assert.isBelow(sent, 10)
      const received: Array<number> = []
      for (let i = 0; i < 40; i++) {
        const message = yield* two.nextMessage
        assert.strictEqual(message.payload.length, 500_000)
        received.push(message.payload[499_999]!)
      }
      yield* Fiber.awaitAll(sends)
      assert.strictEqual(sent, 40)
      assert.deepStrictEqual(
        received.toSorted((a, b) => a - b),
        names(40).map((_, i) => i)
      )
    }).pipe(onNetwork)
  )

  it.effect("hold the sender back when messageBufferBytes are waiting, and one message always fits", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair({}, { messageBufferBytes: 1 })
      let sent = 0
      const sends = yield* Effect.forEach(names(20), () =>
        Effect.forkChild(
          Effect.andThen(
            one.sendMessage(new Uint8Array(500_000), "10.0.0.2:2"),
            Effect.sync(() => (sent += 1))
          )
        )
      )
      for (let i = 0; i < 20; i++) yield* settle
      assert.isBelow(sent, 3)
      for (let i = 0; i < 20; i++) assert.strictEqual((yield* two.nextMessage).payload.length, 500_000)
      yield* Fiber.awaitAll(sends)
      assert.strictEqual(sent, 20)
    }).pipe(onNetwork)
  )

  it.effect(
    "hold the sender of small ones back, too: in messages and in bytes, and all arrive when they are taken",
    () =>
      Effect.gen(function* () {
        const [one, two] = yield* pair({}, { messageBuffer: 10 })
        const total = 60_000
        let sent = 0
        const sends = yield* Effect.forEach(Array.from({ length: total / 100 }), () =>
          Effect.forkChild(
            Effect.forEach(
              Array.from({ length: 100 }),
              () =>
                Effect.andThen(
                  one.sendMessage(new Uint8Array(3), "10.0.0.2:2"),
                  Effect.sync(() => (sent += 1))
                ),
              { discard: true }
            )
          )
        )
        for (let before = -1; sent > before || sent === 0;) {
          before = sent
          for (let i = 0; i < 20; i++) yield* settle
        }
        assert.isBelow(sent, 32_768 + 10)
        for (let i = 0; i < total; i++) assert.strictEqual((yield* two.nextMessage).payload.length, 3)
        yield* Fiber.awaitAll(sends)
        assert.strictEqual(sent, total)
      }).pipe(onNetwork)
  )

  it.effect("held back of one peer do not hold back another peer's for ever", () =>
    Effect.gen(function* () {
      const two = yield* endpoint("10.0.0.2:2", { messageBuffer: 1 })
      const senders = yield* Effect.forEach([3, 4, 5], (i) => endpoint(`10.0.0.${i}:${i}`))
      for (const sender of senders) yield* sender.connectTo("10.0.0.2:2")
      yield* settle
      const sends = yield* Effect.forEach(senders, (sender) =>
        Effect.forkChild(
          Effect.forEach(names(20), () => sender.sendMessage(new Uint8Array(1_000), "10.0.0.2:2"), {
            concurrency: 4,
            discard: true
          })
        )
      )
      const seen = new Map<string, number>()
      for (let i = 0; i < 60; i++) {
        const { peer } = yield* two.nextMessage
        seen.set(String(peer), (seen.get(String(peer)) ?? 0) + 1)
      }
      yield* Fiber.joinAll(sends)
      assert.deepStrictEqual([...seen.values()], [20, 20, 20])
    }).pipe(onNetwork)
  )

  it.effect("of a connection that closed are still there to take", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      for (const name of names(5)) yield* one.sendMessage(bytes(name), "10.0.0.2:2")
      yield* one.close
      yield* settle
      for (const name of names(5)) assert.strictEqual(textOf((yield* two.nextMessage).payload), name)
    }).pipe(onNetwork)
  )

  it.effect("in part beyond reassemblyBuffer stop the stream that went over it, not the connection", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair({}, { reassemblyBuffer: 150_000 })
      const connection = yield* one.connectTo("10.0.0.2:2")
      const error = yield* Effect.flip(one.sendMessage(new Uint8Array(600_000), "10.0.0.2:2"))
      assert.strictEqual(error._tag === "StreamLost" ? error.reason._tag : error._tag, "StreamStopped")
      for (let i = 0; i < 10; i++) {
        yield* one.sendMessage(new Uint8Array(100_000), "10.0.0.2:2")
        assert.strictEqual((yield* two.nextMessage).payload.length, 100_000)
      }
      assert.isTrue((yield* one.connectTo("10.0.0.2:2")) === connection)
    }).pipe(onNetwork)
  )
})

describe("incoming connections", () => {
  it.effect("nextConnection yields each peer that dialled, once, in order", () =>
    Effect.gen(function* () {
      const one = yield* endpoint("10.0.0.1:1")
      for (const i of [2, 3, 4]) yield* (yield* client(`10.0.0.${i}:${i}`)).connectTo("10.0.0.1:1")
      const peers: Array<string> = []
      for (let i = 0; i < 3; i++) peers.push(String((yield* one.nextConnection).remoteAddress))
      assert.deepStrictEqual(peers, ["10.0.0.2:2", "10.0.0.3:3", "10.0.0.4:4"])
    }).pipe(onNetwork)
  )

  it.effect("are none for connections that this side dialled", () =>
    Effect.gen(function* () {
      const [one] = yield* pair()
      const waiting = yield* Effect.forkChild(one.nextConnection)
      yield* one.sendMessage(bytes("x"), "10.0.0.2:2")
      yield* settle
      assert.isUndefined(waiting.pollUnsafe())
    }).pipe(onNetwork)
  )

  it.effect("can be used to send back at once", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      yield* one.connectTo("10.0.0.2:2")
      const back = yield* two.nextConnection
      yield* back.send(bytes("welcome"))
      assert.strictEqual(textOf((yield* one.nextMessage).payload), "welcome")
    }).pipe(onNetwork)
  )
})

describe("disconnections", () => {
  it.effect("come on both sides, with by whom it was closed", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const connection = yield* one.connectTo("10.0.0.2:2")
      const back = yield* two.nextConnection
      yield* one.disconnectFrom("10.0.0.2:2")
      const here = yield* one.nextDisconnection
      const there = yield* two.nextDisconnection
      assert.deepStrictEqual([String(here.peer), here.connectionId], ["10.0.0.2:2", connection.id])
      assert.deepInclude(here.reason, { _tag: "LocallyClosed" })
      assert.deepStrictEqual([String(there.peer), there.connectionId], ["10.0.0.1:1", back.id])
      assert.deepInclude(there.reason, { _tag: "ApplicationClosed", code: 0, detail: "" })
    }).pipe(onNetwork)
  )

  it.effect("tell a loss from a close, and silence from both", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      yield* one.connectTo("10.0.0.2:2")
      yield* two.nextConnection
      yield* kill("10.0.0.1:1", "10.0.0.2:2")
      assert.deepInclude((yield* one.nextDisconnection).reason, { _tag: "TransportClosed", code: 1 })
      const there = yield* Effect.forkChild(two.nextDisconnection)
      yield* settle
      yield* TestClock.adjust("5 minutes")
      assert.deepInclude((yield* Fiber.join(there)).reason, { _tag: "IdleTimedOut" })
    }).pipe(onNetwork)
  )

  it.effect("disconnectFrom closes every connection with the peer and clears both indexes", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      // Both dial at once: two connections.
      yield* Effect.all([one.connectTo("10.0.0.2:2"), two.connectTo("10.0.0.1:1")], { concurrency: "unbounded" })
      yield* settle
      const id = Option.getOrThrow(yield* one.connectionId("10.0.0.2:2"))
      assert.deepStrictEqual(Option.map(yield* one.addressOf(id), String), Option.some("10.0.0.2:2"))
      yield* one.disconnectFrom("10.0.0.2:2")
      assert.isTrue(Option.isNone(yield* one.connectionId("10.0.0.2:2")))
      assert.isTrue(Option.isNone(yield* one.addressOf(id)))
      assert.strictEqual((yield* Effect.flip(one.trySendMessage(bytes("x"), "10.0.0.2:2")))._tag, "NotConnected")
      for (const node of [one, two]) yield* Effect.all([node.nextDisconnection, node.nextDisconnection])
      assert.isTrue(Option.isNone(yield* two.connectionId("10.0.0.1:1")))
    }).pipe(onNetwork)
  )

  it.effect("disconnectFrom a stranger, or from what is no address, does nothing", () =>
    Effect.gen(function* () {
      const [one] = yield* pair()
      yield* one.connectTo("10.0.0.2:2")
      yield* one.disconnectFrom("10.0.0.9:9")
      yield* one.disconnectFrom("nowhere")
      assert.isTrue(Option.isNone(yield* one.connectionId("nowhere")))
      assert.isTrue(Option.isSome(yield* one.connectionId("10.0.0.2:2")))
    }).pipe(onNetwork)
  )

  it.effect("that are never taken are kept up to messageBuffer, the latest, and connections go on", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair({ messageBuffer: 2 })
      for (let i = 0; i < 10; i++) {
        yield* one.connectTo("10.0.0.2:2")
        yield* one.disconnectFrom("10.0.0.2:2")
      }
      yield* one.connectTo("10.0.0.2:2")
      yield* two.close
      yield* settle
      assert.deepInclude((yield* one.nextDisconnection).reason, { _tag: "LocallyClosed" })
      assert.deepInclude((yield* one.nextDisconnection).reason, { _tag: "ApplicationClosed" })
      assert.isUndefined((yield* Effect.forkChild(one.nextDisconnection)).pollUnsafe())
    }).pipe(
      onNetwork,
      logged,
      Effect.map(({ lines }) =>
        assert.deepStrictEqual(lines, [
          "Warn: the application takes no disconnections: only the latest are kept until it does"
        ])
      )
    )
  )

  it.effect("that an application follows are never dropped: new connections wait when it falls behind", () =>
    Effect.gen(function* () {
      const one = yield* endpoint("10.0.0.1:1", { messageBuffer: 2, retryDuration: 0 })
      yield* endpoint("10.0.0.2:2")
      const first = yield* Effect.forkChild(one.nextDisconnection)
      yield* settle
      for (let i = 0; i < 3; i++) {
        yield* one.connectTo("10.0.0.2:2")
        yield* one.disconnectFrom("10.0.0.2:2")
      }
      yield* Fiber.join(first)
      const error = yield* Effect.flip(one.connectTo("10.0.0.2:2"))
      assert.deepInclude(error, { _tag: "TooManyConnections", limit: 2 })
      yield* one.nextDisconnection
      yield* one.connectTo("10.0.0.2:2")
    }).pipe(onNetwork)
  )
})

describe("idle connections", () => {
  it.effect("live for hours of silence between the applications, by keep-alive", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const connection = yield* one.connectTo("10.0.0.2:2")
      yield* settle
      yield* TestClock.adjust("6 hours")
      assert.isTrue((yield* one.connectTo("10.0.0.2:2")) === connection)
      yield* two.trySendMessage(bytes("still here"), "10.0.0.1:1")
      assert.strictEqual(textOf((yield* one.nextMessage).payload), "still here")
    }).pipe(onNetwork)
  )

  it.effect("live with every idle timeout, that of a peer without keep-alive too", () =>
    Effect.gen(function* () {
      for (const idleTimeout of ["100 millis", "3 seconds", "19 seconds", "30 seconds"] as const) {
        for (const [mine, theirs] of [
          [{ idleTimeout }, {}],
          [{ idleTimeout }, { keepAliveInterval: Infinity }],
          [{}, { idleTimeout, keepAliveInterval: Infinity }]
        ]) {
          const [one, two] = yield* pair(mine, theirs)
          const connection = yield* one.connectTo("10.0.0.2:2")
          yield* settle
          yield* TestClock.adjust("1 minute")
          assert.isTrue((yield* one.connectTo("10.0.0.2:2")) === connection, `after ${idleTimeout}`)
          yield* Effect.all([one.close, two.close])
          yield* settle
        }
      }
    }).pipe(onNetwork)
  )

  it.effect("end dials, too, when they are shorter than the handshake timeout", () =>
    Effect.gen(function* () {
      const one = yield* endpoint("10.0.0.1:1", { idleTimeout: "5 seconds", retryDuration: 0 })
      const dial = yield* Effect.forkChild(Effect.flip(one.connectTo("10.0.0.9:9")))
      yield* settle
      yield* TestClock.adjust("4999 millis")
      assert.isUndefined(dial.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(dial))._tag, "ConnectionTimedOut")
    }).pipe(onNetwork)
  )

  it.effect("end after the idle timeout when keep-alive is off", () =>
    Effect.gen(function* () {
      const config = { keepAliveInterval: Infinity, idleTimeout: "30 seconds" } as const
      const [one, two] = yield* pair(config, config)
      yield* one.connectTo("10.0.0.2:2")
      yield* settle
      yield* TestClock.adjust("29 seconds")
      assert.isTrue(Option.isSome(yield* one.connectionId("10.0.0.2:2")))
      yield* TestClock.adjust("2 seconds")
      for (const node of [one, two])
        assert.deepInclude((yield* node.nextDisconnection).reason, { _tag: "IdleTimedOut" })
    }).pipe(onNetwork)
  )

  it.effect("end at both sides when the network falls silent", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      yield* one.connectTo("10.0.0.2:2")
      yield* settle
      yield* TestClock.adjust("3 hours")
      yield* blackhole("10.0.0.2:2")
      yield* TestClock.adjust("61 seconds")
      for (const node of [one, two])
        assert.deepInclude((yield* node.nextDisconnection).reason, { _tag: "IdleTimedOut" })
    }).pipe(onNetwork)
  )
})
