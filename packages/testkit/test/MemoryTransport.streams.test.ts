import { StreamClosed, StreamReset, StreamStopped } from "@qp2p/core/StreamError"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import {
  connect,
  outcomes,
  provide,
  ramp,
  Received,
  sameBytes,
  setLatency,
  settle,
  string,
  text,
  until,
  window
} from "./support/recordingSockets.ts"

describe("streams", () => {
  it.effect("carry bytes in order, however the latency changes, and acknowledge the end", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      yield* setLatency("50 millis")
      const payload = ramp(10_000)
      const { done, results } = outcomes()
      const send = near.connection.openUni(0)
      send.write(payload.subarray(0, 5_000), false, done)
      assert.deepStrictEqual(results, ["done"])
      yield* setLatency("20 millis")
      send.write(payload.subarray(5_000), true, done)
      yield* TestClock.adjust("50 millis")
      const { bytes, ends, receive } = far.streams[0]!
      assert.isTrue(sameBytes(bytes, payload))
      assert.deepStrictEqual(ends, [undefined])
      assert.isDefined(receive)
      assert.isUndefined(far.streams[0]!.send)
      assert.deepStrictEqual(results, ["done"])
      yield* TestClock.adjust("20 millis")
      assert.deepStrictEqual(results, ["done", "done"])
      send.write(payload, false, done)
      assert.deepStrictEqual(results, ["done", "done", new StreamClosed()])
      assert.isAtLeast(near.connection.stats().bytesSent, 10_000)
      assert.strictEqual(far.connection.stats().bytesReceived, near.connection.stats().bytesSent)
    }).pipe(provide)
  )

  it.effect("go both ways, from either side", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      for (const [opener, acceptor] of [[near, far] as const, [far, near] as const]) {
        const answer = new Received()
        const { done, results } = outcomes()
        opener.connection.openBi(0, answer).send.write(text("ping"), true, done)
        yield* until(() => acceptor.streams[0]?.ends.length === 1)
        assert.strictEqual(string(acceptor.streams[0]!.bytes), "ping")
        acceptor.streams[0]!.send!.write(text("pong"), true, done)
        yield* until(() => answer.ends.length === 1 && results.length === 2)
        assert.strictEqual(string(answer.bytes), "pong")
        assert.deepStrictEqual([answer.ends, results], [[undefined], ["done", "done"]])
      }
    }).pipe(provide)
  )

  it.effect("end with an empty write", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      const { done, results } = outcomes()
      const send = near.connection.openUni(0)
      send.write(new Uint8Array(0), false, done)
      yield* settle
      assert.deepStrictEqual([results, far.streams.length], [["done"], 0])
      send.write(new Uint8Array(0), true, done)
      yield* until(() => results.length === 2)
      assert.deepStrictEqual([far.streams[0]!.kept, far.streams[0]!.ends], [[], [undefined]])
    }).pipe(provide)
  )

  it.effect("spoil the chunks that the receiver keeps, not the bytes that the sender gave", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      const bytes = text("abc")
      const { done, results } = outcomes()
      near.connection.openUni(0).write(bytes, true, done)
      yield* until(() => results.length === 1)
      assert.strictEqual(string(far.streams[0]!.bytes), "abc")
      assert.deepStrictEqual(far.streams[0]!.kept, [Uint8Array.of(0xdd, 0xdd, 0xdd)])
      assert.deepStrictEqual(bytes, text("abc"))
    }).pipe(provide)
  )

  it.effect("hold the sender back while the receiver pauses, and go on when it resumes", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      far.pauseAt = 1
      const before = near.connection.stats().bytesSent
      const payload = ramp(window + 5_000)
      const { done, results } = outcomes()
      const send = near.connection.openUni(0)
      send.write(payload, false, done)
      yield* settle
      const received = far.streams[0]!
      assert.strictEqual(received.kept.length, 1)
      assert.deepStrictEqual(results, [])
      send.write(text("end"), true, done)

      // A stream that is held back does not hold back others.
      const other = outcomes()
      near.connection.openUni(0).write(text("other"), true, other.done)
      yield* until(() => other.results.length === 1)

      received.pauseAt = 2_000
      received.receive!.resume()
      assert.strictEqual(received.kept.length, 1)
      yield* settle
      assert.strictEqual(received.bytes.length, 2_400)
      assert.strictEqual(near.connection.stats().bytesSent - before - 5, window + 2_400)

      received.pauseAt = Number.POSITIVE_INFINITY
      received.receive!.resume()
      yield* until(() => results.length === 2)
      assert.deepStrictEqual(results, ["done", "done"])
      assert.isTrue(sameBytes(received.bytes.slice(0, -3), payload))
      assert.strictEqual(string(received.bytes.slice(-3)), "end")
      assert.deepStrictEqual(received.ends, [undefined])
    }).pipe(provide)
  )

  it.effect("send the highest priority first once there is room", () =>
    Effect.gen(function* () {
      const { near } = yield* connect()
      const order: Array<string> = []
      const write = (name: string, priority: number, size: number) => {
        const stream = near.connection.openUni(priority)
        stream.write(ramp(size), false, () => order.push(name))
        return stream
      }
      write("bulk", 5, window + 1)
      write("low", -1, 10_000)
      write("middle", 0, 10_000)
      const raised = write("raised", -2, 10_000)
      write("high", 9, 10_000)
      raised.setPriority(3)
      assert.deepStrictEqual(order, [])
      yield* until(() => order.length === 5)
      assert.deepStrictEqual(order, ["high", "bulk", "raised", "middle", "low"])
    }).pipe(provide)
  )

  it.effect("let done write again, as often as it likes", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      const send = near.connection.openUni(0)
      let left = 20_000
      const { done, results } = outcomes()
      const next = () => {
        left--
        send.write(Uint8Array.of(left & 0xff), left === 0, left === 0 ? done : next)
      }
      next()
      yield* until(() => results.length === 1)
      assert.strictEqual(far.streams[0]!.bytes.length, 20_000)
    }).pipe(provide)
  )

  it.effect("tell the receiver of a reset, and drop what was not acknowledged", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      const { done, results } = outcomes()
      const send = near.connection.openUni(0)
      far.pauseAt = 1
      send.write(ramp(window * 2), true, done)
      yield* settle
      send.reset(7)
      send.reset(8)
      assert.deepStrictEqual(results, [])
      yield* settle
      const { ends, kept } = far.streams[0]!
      assert.deepStrictEqual([results, kept.length, ends], [[new StreamClosed()], 1, [new StreamReset({ code: 7 })]])
      far.streams[0]!.receive!.resume()
      send.write(text("late"), false, done)
      yield* settle
      assert.deepStrictEqual([results[1], kept.length, ends.length], [new StreamClosed(), 1, 1])
    }).pipe(provide)
  )

  it.effect("tell the sender that it was stopped, and leave the other direction alone", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      const { done, results } = outcomes()
      const answer = new Received()
      const { send } = near.connection.openBi(0, answer)
      send.write(text("x"), false, done)
      yield* settle
      const received = far.streams[0]!
      send.write(ramp(window * 2), false, done)
      received.receive!.stop(9)
      received.receive!.resume()
      yield* settle
      assert.deepStrictEqual(results, ["done", new StreamStopped({ code: 9 })])
      assert.deepStrictEqual([received.bytes, received.ends], [[...text("x")], []])
      send.write(text("late"), false, done)
      assert.deepStrictEqual(results[2], new StreamStopped({ code: 9 }))
      received.send!.write(text("still here"), true, done)
      yield* until(() => answer.ends.length === 1)
      assert.strictEqual(string(answer.bytes), "still here")

      // The window of the connection is free again.
      const after = outcomes()
      near.connection.openUni(0).write(ramp(window * 2), true, after.done)
      yield* until(() => after.results.length === 1)
    }).pipe(provide)
  )

  it.effect("tell a receiver that pauses at the last bytes of the end, and otherwise when it resumes", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      far.pauseAt = 1
      const send = near.connection.openUni(0)
      send.write(text("all"), true, () => {})
      const late = near.connection.openUni(0)
      late.write(text("all"), false, () => {})
      late.write(new Uint8Array(0), true, () => {})
      yield* settle
      const ends = () => far.streams.map((received) => received.ends)
      assert.deepStrictEqual(ends(), [[undefined], []])
      far.streams[1]!.receive!.resume()
      yield* settle
      assert.deepStrictEqual(ends(), [[undefined], [undefined]])
    }).pipe(provide)
  )

  it.effect("ignore a reset that comes after everything has arrived", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      yield* setLatency("50 millis")
      const { done, results } = outcomes()
      const send = near.connection.openUni(0)
      far.pauseAt = 1
      send.write(ramp(3_000), true, done)
      yield* TestClock.adjust("60 millis")
      send.reset(1)
      yield* TestClock.adjust("100 millis")
      const received = far.streams[0]!
      assert.deepStrictEqual([results, received.ends], [[new StreamClosed()], []])
      received.pauseAt = Number.POSITIVE_INFINITY
      received.receive!.resume()
      yield* settle
      assert.deepStrictEqual([received.bytes.length, received.ends], [3_000, [undefined]])
    }).pipe(provide)
  )

  it.effect("are not changed by a reset or a stop that comes after the end", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      const { done, results } = outcomes()
      const send = near.connection.openUni(0)
      send.write(text("all"), true, done)
      yield* until(() => results.length === 1)
      const { packetsReceived, packetsSent } = near.connection.stats()
      send.reset(1)
      far.streams[0]!.receive!.stop(2)
      yield* settle
      assert.deepStrictEqual([far.streams[0]!.ends, results], [[undefined], ["done"]])
      assert.strictEqual(near.connection.stats().packetsSent, packetsSent)
      assert.strictEqual(near.connection.stats().packetsReceived, packetsReceived)
    }).pipe(provide)
  )
})
