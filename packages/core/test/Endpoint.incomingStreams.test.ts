/**
 * Applications that read the streams of their peers themselves: as messages, or as bytes without frames.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { ConnectionClosed, EndpointStopped } from "../src/ConnectionError.ts"
import * as Endpoint from "../src/Endpoint.ts"
import { undecidedTimeout } from "../src/internal/connection/limits.ts"
import { ConnectionLost, StreamLost } from "../src/SendError.ts"
import { StreamReset, StreamStopped } from "../src/StreamError.ts"
import type { BackingSendStream } from "../src/Transport.ts"
import { encode, encodeUser } from "../src/WireMessage.ts"
import { address, bytes, textOf } from "./support/values.ts"
import { bytesOf, manual, messagesOf } from "./support/manualStreams.ts"
import { endpoint, onNetwork, settle } from "./support/memoryEndpoints.ts"
import { raw } from "./support/bareSockets.ts"
import { follow } from "./support/roster.ts"

const here = "10.0.0.1:1"
const there = "10.0.0.2:2"

/** An endpoint, and one that reads streams itself and that it is connected with. */
const joined = Effect.gen(function* () {
  const one = yield* endpoint(here)
  const two = yield* manual(there)
  const connection = yield* one.connectTo(there)
  return { one, two, connection }
})

const isThere = (from: Endpoint.Endpoint["Service"]) =>
  Effect.map(
    Effect.timeoutOption(
      Effect.orElseSucceed(from.nextStream, () => undefined),
      0
    ),
    Option.isSome
  )

const hasMessage = (from: Endpoint.Endpoint["Service"]) =>
  Effect.map(
    Effect.timeoutOption(
      Effect.orElseSucceed(from.nextMessage, () => undefined),
      0
    ),
    Option.isSome
  )

describe("an application that reads streams itself", () => {
  it.effect("gets each with its connection, and reads as messages what is sent as such", () =>
    Effect.gen(function* () {
      const { connection, one, two } = yield* joined
      yield* one.sendMessage(bytes("on a stream that closes"), there)
      const { receive, send, connection: far } = yield* two.nextStream
      assert.isTrue(Option.isNone(send))
      assert.strictEqual(`${far.remoteAddress}`, here)
      assert.isTrue(far === (yield* two.nextConnection))
      assert.deepStrictEqual((yield* messagesOf(receive)).map(textOf), ["on a stream that closes"])

      const asked = yield* connection.openBi()
      yield* asked.send.sendMessage(bytes("one"))
      yield* asked.send.sendMessage(bytes("two"), { fin: true }).pipe(Effect.forkChild)
      const question = yield* two.nextStream
      assert.deepStrictEqual((yield* messagesOf(question.receive)).map(textOf), ["one", "two"])
      yield* Option.getOrThrow(question.send).sendMessage(bytes("three"), { fin: true }).pipe(Effect.forkChild)
      assert.strictEqual(textOf(yield* asked.receive.next), "three")
      assert.isFalse(yield* hasMessage(two))
      assert.isFalse(yield* isThere(two))
    }).pipe(onNetwork)
  )

  it.effect("reads and writes bytes without frames, and each half ends on its own", () =>
    Effect.gen(function* () {
      const { connection, two } = yield* joined
      const { receive, send } = yield* connection.openBi()
      yield* send.write(bytes("GET "))
      const far = yield* two.nextStream
      const reading = yield* Effect.forkChild(bytesOf(far.receive), { startImmediately: true })
      const answer = Option.getOrThrow(far.send)
      yield* answer.write(bytes("before the question is over;"))
      yield* send.write(bytes("/"))
      yield* send.finish
      assert.strictEqual(textOf(yield* Fiber.join(reading)), "GET /")
      yield* answer.write(bytes(" and after"), { fin: true }).pipe(Effect.forkChild)
      assert.strictEqual(textOf(yield* bytesOf(receive)), "before the question is over; and after")
    }).pipe(onNetwork)
  )

  it.effect("reads any bytes that a message begins with, a byte at a time", () =>
    Effect.gen(function* () {
      const two = yield* manual(there)
      const stranger = yield* raw(here)
      const connection = yield* stranger.dial(there)
      const control = encode({ _tag: "EndpointEchoReq" })
      // Each is a control message up to some byte, and not there. A length of 0x44 would be that of another control message.
      const almost = Array.from({ length: 9 }, (_, i) =>
        control.map((byte, j) => (i === j ? byte ^ (i === 5 ? 0x07 : 0x40) : byte))
      )
      const all = [
        ...almost,
        control.subarray(0, 5),
        control.subarray(0, 8),
        Uint8Array.of(0),
        bytes("plain"),
        encodeUser(bytes("m"))
      ]
      for (const content of all) {
        const stream: BackingSendStream = connection.openUni(0)
        for (const [i, byte] of content.entries()) {
          stream.write(Uint8Array.of(byte), i === content.length - 1, () => {})
          yield* settle
        }
        const { receive } = yield* two.nextStream
        assert.deepStrictEqual([...(yield* bytesOf(receive))], [...content])
      }
    }).pipe(onNetwork)
  )

  it.effect("gets what may begin a control message after a second, and what follows, however it goes on", () =>
    Effect.gen(function* () {
      const { connection, one, two } = yield* joined
      const question = encode({ _tag: "EndpointEchoReq" })
      // A protocol that writes the number 1 in 16 bits, and waits for an answer before it goes on.
      const { receive, send } = yield* connection.openBi()
      yield* send.write(question.subarray(0, 2))
      yield* settle
      yield* TestClock.adjust(undecidedTimeout - 1)
      yield* settle
      assert.isFalse(yield* isThere(two))
      yield* TestClock.adjust(1)
      const far = yield* two.nextStream
      yield* Option.getOrThrow(far.send).write(bytes("go on"), { fin: true }).pipe(Effect.forkChild)
      assert.strictEqual(textOf(yield* bytesOf(receive)), "go on")
      yield* send.write(question.subarray(2), { fin: true }).pipe(Effect.forkChild)
      assert.deepStrictEqual(yield* bytesOf(far.receive), question)

      // One whose header comes in time is the endpoint's.
      const asked = yield* connection.openBi()
      yield* asked.send.write(question.subarray(0, 8))
      yield* settle
      yield* TestClock.adjust(undecidedTimeout - 1)
      yield* asked.send.write(question.subarray(8), { fin: true }).pipe(Effect.forkChild)
      assert.deepStrictEqual(
        yield* bytesOf(asked.receive),
        encode({ _tag: "EndpointEchoResp", address: one.localAddress })
      )
      yield* TestClock.adjust(10 * undecidedTimeout)
      yield* settle
      assert.isFalse(yield* isThere(two))
    }).pipe(onNetwork)
  )

  it.effect("does not see the endpoint's own: echo, verification, and streams without a byte", () =>
    Effect.gen(function* () {
      const two = yield* manual(there)
      const roster = yield* follow(two)
      const one = yield* Endpoint.make({ localAddress: here, contacts: [there], streams: "Manual" })
      assert.deepStrictEqual(Option.map(one.bootstrapContact, String), Option.some(there))
      yield* one.isReachable(there)
      yield* two.isReachable(here)
      const connection = yield* one.connectTo(there)
      const empty = yield* connection.openUni()
      yield* empty.finish
      const both = yield* connection.openBi()
      yield* both.send.finish
      // The other half ends with it, since nobody else would end it.
      assert.deepStrictEqual(yield* bytesOf(both.receive), new Uint8Array(0))
      for (const each of [one, two]) {
        assert.isFalse(yield* isThere(each))
        assert.isFalse(yield* hasMessage(each))
      }
      assert.deepStrictEqual([roster.came.length, roster.went], [1, []])
    }).pipe(onNetwork)
  )

  it.effect("gets a message that follows a question to the endpoint on its stream as a message", () =>
    Effect.gen(function* () {
      const two = yield* manual(there)
      const stranger = yield* raw(here)
      const connection = yield* stranger.dial(there)
      const answers: Array<Uint8Array> = []
      const { send } = connection.openBi(0, { onData: (chunk) => answers.push(chunk.slice()) > 0, onEnd: () => {} })
      send.write(encode({ _tag: "EndpointEchoReq" }), false, () => {})
      yield* settle
      assert.deepStrictEqual(Array.from(Buffer.concat(answers)), [
        ...encode({ _tag: "EndpointEchoResp", address: address(here) })
      ])
      send.write(encodeUser(bytes("and this")), true, () => {})
      assert.strictEqual(textOf((yield* two.nextMessage).payload), "and this")
      assert.isFalse(yield* isThere(two))
    }).pipe(onNetwork)
  )

  it.effect("is told of a connection before the streams on it, although the peer has asked for an echo first", () =>
    Effect.gen(function* () {
      const two = yield* manual(there)
      const roster = yield* follow(two)
      const stranger = yield* raw(here)
      const ignored = { onData: () => true, onEnd: () => {} }
      const connection = yield* Effect.callback<Effect.Success<ReturnType<typeof stranger.dial>>>((resume) => {
        stranger.socket.dial(two.localAddress, {
          onConnected: (made) => {
            made.openBi(0, ignored).send.write(encode({ _tag: "EndpointEchoReq" }), true, () => {})
            resume(Effect.succeed(made))
            return { onStream: () => ignored, onClosed: () => {} }
          },
          onFailed: (error) => resume(Effect.die(error))
        })
      })
      yield* settle
      assert.strictEqual(roster.came.length, 0)
      connection.openUni(0).write(bytes("more"), true, () => {})
      const stream = yield* two.nextStream
      assert.isTrue(roster.came[0] === stream.connection)
    }).pipe(onNetwork)
  )
})

describe("a stream that the application reads itself", () => {
  it.effect("holds the peer back until it is read, and then brings everything", () =>
    Effect.gen(function* () {
      const { connection, two } = yield* joined
      const content = new Uint8Array(3 << 20).map((_, i) => i * 7)
      const send = yield* connection.openUni()
      const writing = yield* Effect.forkChild(send.write(content, { fin: true }), { startImmediately: true })
      const { receive } = yield* two.nextStream
      yield* settle
      assert.isUndefined(writing.pollUnsafe())
      const before = (yield* connection.stats).bytesSent
      // No more than the windows take.
      assert.isBelow(before, 1 << 20)
      yield* settle
      assert.strictEqual((yield* connection.stats).bytesSent, before)
      assert.isTrue(Buffer.from(yield* bytesOf(receive)).equals(content))
      yield* Fiber.join(writing)
    }).pipe(onNetwork)
  )

  it.effect("is told to stop its writer at once, who writes nothing, and resets as such", () =>
    Effect.gen(function* () {
      const { connection, two } = yield* joined
      const { receive, send } = yield* connection.openBi()
      yield* send.write(bytes("begun"))
      const far = yield* two.nextStream
      const answer = Option.getOrThrow(far.send)
      const stopped = yield* Effect.forkChild(send.stopped, { startImmediately: true })
      const theirs = yield* Effect.forkChild(answer.stopped, { startImmediately: true })
      yield* settle
      assert.isUndefined(stopped.pollUnsafe())
      yield* far.receive.stop(21)
      assert.deepStrictEqual(yield* Fiber.join(stopped), new StreamStopped({ code: 21 }))
      assert.deepStrictEqual(
        yield* Effect.flip(send.write(bytes("more"))),
        new StreamLost({ reason: new StreamStopped({ code: 21 }) })
      )
      yield* answer.write(bytes("half"))
      yield* settle
      yield* answer.reset(22)
      assert.deepStrictEqual(
        yield* Effect.flip(Stream.runDrain(receive.bytes)),
        new StreamLost({ reason: new StreamReset({ code: 22 }) })
      )
      // One that has been reset here is not stopped any more: the connection's end is told.
      yield* settle
      assert.isUndefined(theirs.pollUnsafe())
      yield* connection.close({ code: 23 })
      assert.deepInclude(yield* Fiber.join(theirs), { _tag: "ApplicationClosed", code: 23 })
    }).pipe(onNetwork)
  )

  it.effect("brings what came before the connection ended, and then says so", () =>
    Effect.gen(function* () {
      const { connection, two } = yield* joined
      const send = yield* connection.openUni()
      yield* send.write(bytes("as far as this"))
      const { receive } = yield* two.nextStream
      const stopped = yield* Effect.forkChild(send.stopped, { startImmediately: true })
      yield* settle
      yield* connection.close({ code: 16 })
      yield* settle
      const read: Array<string> = []
      const error = yield* Effect.flip(
        Stream.runForEach(receive.bytes, (chunk) => Effect.sync(() => read.push(textOf(chunk))))
      )
      assert.strictEqual(read.join(""), "as far as this")
      assert.instanceOf(error, ConnectionLost)
      assert.instanceOf(error.reason, ConnectionClosed)
      assert.deepInclude(yield* Fiber.join(stopped), { _tag: "LocallyClosed" })
    }).pipe(onNetwork)
  )
})

describe("the queue of streams", () => {
  it.effect("is bounded: those beyond it wait with their peers, and come in their order", () =>
    Effect.gen(function* () {
      const one = yield* endpoint(here)
      const two = yield* manual(there, { messageBuffer: 2 })
      const connection = yield* one.connectTo(there)
      yield* settle
      for (let i = 0; i < 10; i++) {
        const send = yield* connection.openUni()
        yield* send.write(Uint8Array.of(100 + i), { fin: true }).pipe(Effect.forkChild)
        yield* settle
      }
      // Ten streams wait to be taken, of which the queue has one, and nine wait for room: too many for another connection from
      // that address, and no reason to refuse others.
      const another = yield* raw("10.0.0.1:3")
      yield* another.dial(there)
      const stranger = yield* raw("10.0.0.3:3")
      yield* stranger.dial(there)
      yield* settle
      assert.deepInclude(another.closes[0], { _tag: "ApplicationClosed", code: 3 })
      assert.deepStrictEqual(stranger.closes, [])
      for (let i = 0; i < 10; i++) {
        const { receive } = yield* two.nextStream
        assert.deepStrictEqual([...(yield* bytesOf(receive))], [100 + i])
      }
    }).pipe(onNetwork)
  )

  it.effect("forgets streams that wait for room with their connections, which keep no others out", () =>
    Effect.gen(function* () {
      const two = yield* manual(there, { messageBuffer: 2 })
      const keeping = yield* endpoint("10.0.0.3:3")
      const kept = yield* keeping.connectTo(there)
      for (const text of ["one", "two"]) {
        const send = yield* kept.openUni()
        yield* send.write(bytes(text), { fin: true }).pipe(Effect.forkChild)
        yield* settle
      }
      // The application has no room for more. Each peer leaves streams of each kind, and goes.
      for (let i = 0; i < 5; i++) {
        const connection = yield* (yield* raw(`10.0.1.${i}:1`)).dial(there)
        yield* settle
        const ignored = { onData: () => true, onEnd: () => {} }
        connection.openUni(0).write(bytes("plain"), true, () => {})
        connection.openBi(0, ignored).send.write(bytes("plain"), true, () => {})
        connection.openBi(0, ignored).send.write(Uint8Array.of(0, 1), false, () => {})
        yield* settle
        connection.close(0, "")
        yield* settle
      }
      const later = yield* endpoint("10.0.0.4:4")
      const more = yield* (yield* later.connectTo(there)).openUni()
      yield* more.write(bytes("three"), { fin: true }).pipe(Effect.forkChild)
      yield* settle
      for (const text of ["one", "two", "three"]) {
        assert.strictEqual(textOf(yield* bytesOf((yield* two.nextStream).receive)), text)
        yield* settle
      }
      assert.isFalse(yield* isThere(two))
    }).pipe(onNetwork)
  )

  it.effect("forgets messages that wait behind questions with their connections, and keeps no others out", () =>
    Effect.gen(function* () {
      const two = yield* manual(there, { messageBuffer: 2 })
      const content = Buffer.concat([encode({ _tag: "EndpointEchoReq" }), ...Array(9).fill(encodeUser(bytes("m")))])
      for (let i = 0; i < 5; i++) {
        const connection = yield* (yield* raw(`10.0.1.${i}:1`)).dial(there)
        yield* settle
        for (let stream = 0; stream < 4; stream++) {
          connection.openBi(0, { onData: () => true, onEnd: () => {} }).send.write(content, true, () => {})
        }
        yield* settle
        // The last one stays.
        if (i < 4) connection.close(0, "")
        yield* settle
      }
      const other = yield* raw(here)
      yield* other.dial(there)
      yield* settle
      assert.deepStrictEqual(other.closes, [])
      // The queue had room for one message of each of the first two peers.
      for (let i = 0; i < 38; i++) {
        assert.strictEqual(`${(yield* two.nextMessage).peer}`, `10.0.1.${i < 2 ? i : 4}:1`)
        yield* settle
      }
      assert.isFalse(yield* hasMessage(two))
    }).pipe(onNetwork)
  )

  it.effect("keeps no stream whose connection has ended, and goes on with others", () =>
    Effect.gen(function* () {
      const { connection, two } = yield* joined
      const three = yield* endpoint("10.0.0.3:3")
      for (const text of ["lost", "with its connection"]) {
        const send = yield* connection.openUni()
        yield* send.write(bytes(text))
      }
      const other = yield* (yield* three.connectTo(there)).openUni()
      yield* other.write(bytes("kept"), { fin: true }).pipe(Effect.forkChild)
      yield* settle
      yield* connection.close()
      yield* settle
      const { receive } = yield* two.nextStream
      assert.strictEqual(textOf(yield* bytesOf(receive)), "kept")
      assert.isFalse(yield* isThere(two))
    }).pipe(onNetwork)
  )

  it.effect("ends with the endpoint", () =>
    Effect.gen(function* () {
      const { two } = yield* joined
      const taking = yield* Effect.forkChild(Effect.flip(two.nextStream), { startImmediately: true })
      const all = yield* Effect.forkChild(Stream.runCollect(two.incomingStreams), { startImmediately: true })
      yield* two.close
      assert.deepStrictEqual(yield* Fiber.join(taking), new EndpointStopped())
      assert.deepStrictEqual(yield* Fiber.join(all), [])
      assert.deepStrictEqual(yield* Effect.flip(two.nextStream), new EndpointStopped())
    }).pipe(onNetwork)
  )

  it.effect("is empty where the endpoint reads messages, which is so unless it is told otherwise", () =>
    Effect.gen(function* () {
      const one = yield* endpoint(here)
      for (const streams of [undefined, "Messages"] as const) {
        const two = yield* Endpoint.make({ localAddress: there, streams })
        yield* one.sendMessage(bytes("a message"), there)
        assert.strictEqual(textOf((yield* two.nextMessage).payload), "a message")
        assert.isFalse(yield* isThere(two))
        yield* two.close
      }
      for (const wrong of ["manual", "", null, true]) {
        const error = yield* Effect.flip(Endpoint.make({ localAddress: there, streams: wrong as never }))
        assert.deepInclude(error, { _tag: "EndpointConfigError", path: "streams" })
      }
    }).pipe(onNetwork)
  )
})
