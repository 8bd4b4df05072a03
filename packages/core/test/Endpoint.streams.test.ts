import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import type { BidirectionalStream } from "../src/BidirectionalStream.ts"
import { ApplicationClosed, LocallyClosed } from "../src/Close.ts"
import type { ConnectionError } from "../src/ConnectionError.ts"
import type { IncomingMessage } from "../src/Endpoint.ts"
import type { RecvError } from "../src/RecvError.ts"
import { StreamLost } from "../src/SendError.ts"
import { StreamClosed, StreamReset, StreamStopped } from "../src/StreamError.ts"
import { bytes, summary, textOf } from "./support/values.ts"
import { blackhole, endpoint, kill, onNetwork, pair, refuse, settle } from "./support/memoryEndpoints.ts"

const replyOf = (message: IncomingMessage) => Option.getOrThrow(message.reply)
const gone = new StreamLost({ reason: new StreamClosed() })
const wasReset = (code: number) => new StreamLost({ reason: new StreamReset({ code }) })
const stopped = (code: number) => new StreamLost({ reason: new StreamStopped({ code }) })
const tagOf = (error: RecvError) => (error._tag === "ConnectionLost" ? error.reason._tag : error._tag)

/** Two endpoints, a stream from the first to the second, and the first message of it. */
const opened = Effect.gen(function* () {
  const [one, two] = yield* pair()
  const stream = yield* one.openBidirectionalStream("10.0.0.2:2")
  yield* stream.send.sendMessage(bytes("hello"))
  const message = yield* two.nextMessage
  return { one, two, stream, message, reply: replyOf(message) }
})

const collect = ({ receive }: BidirectionalStream) =>
  Effect.map(Stream.runCollect(receive.messages), (payloads) => payloads.map(textOf))

describe("a bidirectional stream", () => {
  it.effect("carries messages both ways, in order, and each has the same reply", () =>
    Effect.gen(function* () {
      const { message, reply, stream, two } = yield* opened
      assert.deepStrictEqual(summary(message), { peer: "10.0.0.1:1", text: "hello", reply: true })
      for (const text of ["a", "b", "c"]) {
        yield* stream.send.sendMessage(bytes(text))
        const next = yield* two.nextMessage
        assert.strictEqual(textOf(next.payload), text)
        assert.isTrue(replyOf(next) === reply)
      }
      for (const text of ["x", "y", "z"]) yield* reply.sendMessage(bytes(text))
      assert.strictEqual(textOf(yield* stream.receive.next), "x")
      assert.strictEqual(textOf(yield* stream.receive.next), "y")
      assert.strictEqual(textOf(yield* stream.receive.next), "z")
    }).pipe(onNetwork)
  )

  it.effect("carries large messages both ways", () =>
    Effect.gen(function* () {
      const { reply, stream, two } = yield* opened
      const payload = Uint8Array.from({ length: 700_000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff)
      const echo = yield* Effect.forkChild(
        Effect.gen(function* () {
          for (let i = 0; i < 3; i++) yield* reply.sendMessage((yield* two.nextMessage).payload)
          yield* reply.finish
        })
      )
      const sending = yield* Effect.forkChild(
        Effect.gen(function* () {
          for (let i = 0; i < 3; i++) yield* stream.send.sendMessage(payload)
          yield* stream.send.finish
        })
      )
      const received = yield* Stream.runCollect(stream.receive.messages)
      yield* Fiber.join(echo)
      yield* Fiber.join(sending)
      assert.strictEqual(received.length, 3)
      for (const message of received) assert.isTrue(Buffer.from(message).equals(payload))
    }).pipe(onNetwork)
  )

  it.effect("yields its messages as a stream that ends where the peer finished", () =>
    Effect.gen(function* () {
      const { reply, stream } = yield* opened
      for (const text of ["x", "y", "z"]) yield* reply.sendMessage(bytes(text))
      yield* reply.finish
      assert.deepStrictEqual(yield* collect(stream), ["x", "y", "z"])
      assert.deepStrictEqual(yield* collect(stream), [])
      assert.deepStrictEqual(yield* Effect.flip(stream.receive.next), gone)
    }).pipe(onNetwork)
  )

  it.effect("is done with finish when the peer has taken all of it, and takes nothing after", () =>
    Effect.gen(function* () {
      const { stream } = yield* opened
      yield* stream.send.finish
      assert.deepStrictEqual(yield* Effect.flip(stream.send.sendMessage(bytes("late"))), gone)
      assert.deepStrictEqual(yield* Effect.flip(stream.send.finish), gone)
    }).pipe(onNetwork)
  )

  it.effect("ends with its last message, which is done when the peer has taken all of it", () =>
    Effect.gen(function* () {
      const { reply, stream, two } = yield* opened
      yield* stream.send.sendMessage(bytes("last"), { fin: true })
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "last")
      assert.deepStrictEqual(yield* Effect.flip(stream.send.sendMessage(bytes("late"))), gone)
      yield* reply.sendMessage(bytes("one"))
      yield* reply.sendMessage(bytes("two"), { fin: true })
      assert.deepStrictEqual(yield* collect(stream), ["one", "two"])
    }).pipe(onNetwork)
  )

  it.effect("goes on one way after the other is finished", () =>
    Effect.gen(function* () {
      const { reply, stream, two } = yield* opened
      yield* reply.finish
      assert.deepStrictEqual(yield* Effect.flip(stream.receive.next), gone)
      yield* stream.send.sendMessage(bytes("still"))
      yield* stream.send.finish
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "still")
    }).pipe(onNetwork)
  )

  it.effect("can be answered after the asker has finished asking", () =>
    Effect.gen(function* () {
      const { reply, stream } = yield* opened
      yield* stream.send.finish
      yield* reply.sendMessage(bytes("answer"))
      yield* reply.finish
      assert.deepStrictEqual(yield* collect(stream), ["answer"])
    }).pipe(onNetwork)
  )

  it.effect("fails at the reader with StreamReset and the code when the peer resets it", () =>
    Effect.gen(function* () {
      const { reply, stream } = yield* opened
      const reading = yield* Effect.forkChild(Effect.flip(stream.receive.next))
      yield* settle
      yield* reply.reset(77)
      assert.deepStrictEqual(yield* Fiber.join(reading), wasReset(77))
      assert.deepStrictEqual(yield* Effect.flip(stream.receive.next), wasReset(77))
      assert.deepStrictEqual(yield* Effect.flip(collect(stream)), wasReset(77))
      assert.deepStrictEqual(yield* Effect.flip(reply.sendMessage(bytes("late"))), gone)
    }).pipe(onNetwork)
  )

  it.effect("fails at the sender with StreamStopped and the code when the reader stops it", () =>
    Effect.gen(function* () {
      const { reply, stream } = yield* opened
      yield* stream.receive.stop(78)
      yield* settle
      assert.deepStrictEqual(yield* Effect.flip(reply.sendMessage(bytes("late"))), stopped(78))
      assert.deepStrictEqual(yield* Effect.flip(reply.finish), stopped(78))
      assert.deepStrictEqual(yield* Effect.flip(stream.receive.next), gone)
    }).pipe(onNetwork)
  )

  it.effect("wakes a reader that waits when this side stops it", () =>
    Effect.gen(function* () {
      const { stream } = yield* opened
      const reading = yield* Effect.forkChild(Effect.flip(stream.receive.next))
      yield* settle
      yield* stream.receive.stop(0)
      assert.deepStrictEqual(yield* Fiber.join(reading), gone)
    }).pipe(onNetwork)
  )

  it.effect("clamps codes that QUIC cannot carry", () =>
    Effect.gen(function* () {
      const { reply, stream } = yield* opened
      yield* reply.sendMessage(bytes("x"))
      yield* stream.receive.next
      for (const code of [-1, 2 ** 62, Number.NaN, 1.5]) {
        yield* stream.send.reset(code)
        yield* stream.receive.stop(code)
      }
      yield* settle
      assert.strictEqual((yield* Effect.flip(stream.send.finish))._tag, "StreamLost")
    }).pipe(onNetwork)
  )

  it.effect("takes nothing when a reader is interrupted", () =>
    Effect.gen(function* () {
      const { reply, stream } = yield* opened
      const reading = yield* Effect.forkChild(stream.receive.next)
      yield* settle
      yield* Fiber.interrupt(reading)
      yield* reply.sendMessage(bytes("kept"))
      assert.strictEqual(textOf(yield* stream.receive.next), "kept")
    }).pipe(onNetwork)
  )

  it.effect("holds the peer back while the application does not read, and loses nothing", () =>
    Effect.gen(function* () {
      const { reply, stream } = yield* opened
      let sent = 0
      const sending = yield* Effect.forkChild(
        Effect.gen(function* () {
          for (; sent < 50; sent++) yield* reply.sendMessage(new Uint8Array(100_000).fill(sent))
          yield* reply.finish
        })
      )
      for (let i = 0; i < 20; i++) yield* settle
      assert.isBelow(sent, 20)
      const received = yield* Stream.runCollect(stream.receive.messages)
      yield* Fiber.join(sending)
      assert.deepStrictEqual(
        received.map((payload) => payload[99_999]),
        Array.from({ length: 50 }, (_, i) => i)
      )
    }).pipe(onNetwork)
  )

  it.effect("fails at both ends with ConnectionLost and what became of the connection", () =>
    Effect.gen(function* () {
      const { message, one, reply, stream } = yield* opened
      const reading = yield* Effect.forkChild(Effect.flip(stream.receive.next))
      yield* settle
      yield* kill("10.0.0.1:1", "10.0.0.2:2")
      assert.strictEqual(tagOf(yield* Fiber.join(reading)), "TransportError")
      assert.strictEqual(tagOf(yield* Effect.flip(stream.send.sendMessage(bytes("late")))), "TransportError")
      assert.isTrue(Option.isNone(yield* one.addressOf(message.connectionId)))
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(tagOf(yield* Effect.flip(reply.sendMessage(bytes("late")))), "ConnectionTimedOut")
    }).pipe(onNetwork)
  )

  it.effect("says by whom the connection was closed", () =>
    Effect.gen(function* () {
      const { one, reply, stream } = yield* opened
      yield* one.disconnectFrom("10.0.0.2:2")
      yield* settle
      const here = yield* Effect.flip(stream.receive.next)
      const there = yield* Effect.flip(reply.finish)
      for (const [error, expected] of [
        [here, { _tag: "LocallyClosed" }],
        [there, { _tag: "ApplicationClosed", code: 0 }]
      ] as const) {
        const cause = error._tag === "ConnectionLost" ? error.reason : undefined
        assert.deepInclude(cause?._tag === "ConnectionClosed" ? cause.close : cause, expected)
      }
    }).pipe(onNetwork)
  )

  it.effect("is not opened when the peer cannot be reached", () =>
    Effect.gen(function* () {
      yield* refuse("10.0.0.9:9")
      const one = yield* endpoint("10.0.0.1:1", { retryDuration: 0 })
      assert.strictEqual((yield* Effect.flip(one.openBidirectionalStream("10.0.0.9:9")))._tag, "TransportError")
    }).pipe(onNetwork)
  )
})

describe("a connection's own methods", () => {
  it.effect("openUni carries messages in order, without a way to reply", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const connection = yield* one.connectTo("10.0.0.2:2")
      const stream = yield* connection.openUni()
      for (const text of ["a", "b", "c"]) yield* stream.sendMessage(bytes(text))
      yield* stream.finish
      for (const text of ["a", "b", "c"]) {
        assert.deepStrictEqual(summary(yield* two.nextMessage), { peer: "10.0.0.1:1", text, reply: false })
      }
      assert.deepStrictEqual(yield* Effect.flip(stream.finish), gone)
    }).pipe(onNetwork)
  )

  it.effect("a partial message of a stream that was reset is not delivered", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      const connection = yield* one.connectTo("10.0.0.2:2")
      const stream = yield* connection.openUni()
      yield* stream.sendMessage(bytes("whole"))
      yield* Effect.forkChild(stream.sendMessage(new Uint8Array(2_000_000)))
      yield* Effect.yieldNow
      yield* stream.reset(5)
      yield* one.sendMessage(bytes("next"), "10.0.0.2:2")
      const texts = [yield* two.nextMessage, yield* two.nextMessage].map(({ payload }) => textOf(payload))
      assert.deepStrictEqual(texts.toSorted(), ["next", "whole"])
    }).pipe(onNetwork)
  )

  it.effect("send and the openers fail once the connection is closed", () =>
    Effect.gen(function* () {
      const [one] = yield* pair()
      const connection = yield* one.connectTo("10.0.0.2:2")
      yield* connection.close()
      yield* connection.close()
      assert.deepInclude(yield* connection.closed, { _tag: "LocallyClosed" })
      assert.strictEqual((yield* Effect.flip(connection.send(bytes("x"))))._tag, "ConnectionLost")
      for (const open of [connection.openUni(), connection.openBi()]) {
        const error = yield* Effect.flip(Effect.asVoid<unknown, ConnectionError, never>(open))
        assert.strictEqual(error._tag === "ConnectionClosed" ? error.close._tag : error._tag, "LocallyClosed")
      }
    }).pipe(onNetwork)
  )

  it.effect("close tells the peer the code and the detail, the first time only", () =>
    Effect.gen(function* () {
      const [one, two] = yield* pair()
      for (const [options, close] of [
        [undefined, new ApplicationClosed({ code: 0, detail: "" })],
        [{ code: 20 }, new ApplicationClosed({ code: 20, detail: "" })],
        [
          { code: 2 ** 53 - 1, detail: "bye – für immer" },
          new ApplicationClosed({ code: 2 ** 53 - 1, detail: "bye – für immer" })
        ],
        [{ code: -1.5 }, new ApplicationClosed({ code: 0, detail: "" })],
        [{ code: 16.5, detail: undefined }, new ApplicationClosed({ code: 16, detail: "" })]
      ] as const) {
        const connection = yield* one.connectTo("10.0.0.2:2")
        const far = yield* two.nextConnection
        yield* connection.close(options)
        yield* connection.close({ code: 99, detail: "too late" })
        assert.deepStrictEqual(yield* connection.closed, new LocallyClosed())
        assert.deepStrictEqual(yield* far.closed, close)
        assert.deepStrictEqual((yield* two.nextDisconnection).reason, close)
      }
    }).pipe(onNetwork)
  )

  it.effect("closed waits for the end of a connection that goes silent", () =>
    Effect.gen(function* () {
      const [one] = yield* pair({ idleTimeout: "10 seconds" })
      const connection = yield* one.connectTo("10.0.0.2:2")
      yield* blackhole("10.0.0.2:2")
      const closed = yield* Effect.forkChild(connection.closed)
      yield* settle
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(closed.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      assert.deepInclude(yield* Fiber.join(closed), { _tag: "IdleTimedOut" })
    }).pipe(onNetwork)
  )

  it.effect("stats count what was sent", () =>
    Effect.gen(function* () {
      const [one] = yield* pair()
      const connection = yield* one.connectTo("10.0.0.2:2")
      const before = yield* connection.stats
      yield* connection.send(new Uint8Array(50_000))
      const after = yield* connection.stats
      assert.isAtLeast(after.bytesSent - before.bytesSent, 50_000)
    }).pipe(onNetwork)
  )
})
