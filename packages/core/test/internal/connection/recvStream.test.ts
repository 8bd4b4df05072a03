import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { streamErrorOf } from "../../../src/internal/failures.ts"
import { ReceiveBuffer, type ReceiveBufferOptions } from "../../../src/internal/connection/receiveBuffer.ts"
import { RecvStreamImpl } from "../../../src/internal/connection/recvStream.ts"
import { SerializationError, StreamLost } from "../../../src/SendError.ts"
import { StreamClosed } from "../../../src/StreamError.ts"
import type { StreamFailure } from "../../../src/Transport.ts"
import * as WireMessage from "../../../src/WireMessage.ts"

const noConnection = (): never => {
  throw new Error("no test here loses a connection")
}
const loss = (failure: StreamFailure) => streamErrorOf(failure, { errorOf: noConnection })

describe("the receiving half", () => {
  const user = (byte: number) => WireMessage.encodeUser(Uint8Array.of(byte))
  const setup = (options: Partial<ReceiveBufferOptions> = {}) => {
    const asked: Array<string> = []
    const events = new ReceiveBuffer({ maxMessageSize: 1_000, owner: { streamErrorOf: loss }, ...options })
    events.backing = { resume: () => asked.push("resume"), stop: (code) => asked.push(`stop ${code}`) }
    return { asked, events, stream: new RecvStreamImpl(events) }
  }

  it.effect("fails for a control message, takes it all the same, and goes on after it", () =>
    Effect.gen(function* () {
      const { events, stream } = setup()
      events.onData(new Uint8Array(Buffer.concat([WireMessage.encode({ _tag: "EndpointEchoReq" }), user(5)])))
      assert.deepStrictEqual(
        yield* Effect.flip(stream.next),
        new SerializationError({ detail: "a EndpointEchoReq where a user message was expected" })
      )
      assert.deepStrictEqual([...(yield* stream.next)], [5])
      events.onData(WireMessage.encode({ _tag: "EndpointEchoReq" }))
      assert.instanceOf(yield* Effect.flip(Stream.runDrain(stream.messages)), SerializationError)
    })
  )

  it.effect("reads so much ahead of the application, then pauses, and resumes once when enough of it is taken", () =>
    Effect.gen(function* () {
      const { asked, events, stream } = setup()
      const message = WireMessage.encodeUser(new Uint8Array(1_000))
      let count = 1
      while (events.onData(message)) count += 1
      assert.isAbove(count, 100)
      assert.isBelow(count, 1_000)
      // What comes with the end of a connection comes all the same.
      assert.isFalse(events.onData(message))
      assert.deepStrictEqual(asked, [])
      for (let i = 0; i <= count; i++) yield* stream.next
      assert.deepStrictEqual(asked, ["resume"])
    })
  )

  it.effect("wakes every reader that waits, and one that has left takes nothing", () =>
    Effect.gen(function* () {
      const { events, stream } = setup()
      const readers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(stream.next))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(readers[1]!)
      events.onData(user(1))
      events.onData(user(2))
      assert.deepStrictEqual([...(yield* Fiber.join(readers[0]!))], [1])
      assert.deepStrictEqual([...(yield* Fiber.join(readers[2]!))], [2])
    })
  )

  it.effect("ends for every reader where the peer has finished", () =>
    Effect.gen(function* () {
      const { events, stream } = setup()
      const reader = yield* Effect.forkChild(stream.next)
      const all = yield* Effect.forkChild(Stream.runCollect(stream.messages))
      yield* Effect.yieldNow
      events.onEnd()
      assert.deepStrictEqual(yield* Effect.flip(Fiber.join(reader)), new StreamLost({ reason: new StreamClosed() }))
      assert.deepStrictEqual(yield* Fiber.join(all), [])
    })
  )

  it.effect("that was abandoned takes what comes, and keeps nothing of it", () =>
    Effect.gen(function* () {
      const { asked, events, stream } = setup()
      const message = WireMessage.encodeUser(new Uint8Array(1_000))
      while (events.onData(message));
      events.drop()
      assert.deepStrictEqual(asked, ["resume"])
      for (let i = 0; i < 1_000; i++) assert.isTrue(events.onData(message))
      events.drop()
      events.onEnd()
      assert.deepStrictEqual(asked, ["resume"])
      assert.instanceOf(yield* Effect.flip(stream.next), StreamLost)
    })
  )

  it.effect("yields bytes as they came, also those that came before anybody read, and copies of them", () =>
    Effect.gen(function* () {
      const { events, stream } = setup()
      const lent = Uint8Array.of(1, 2)
      events.onData(lent)
      lent.fill(9)
      events.onData(Uint8Array.of(3))
      const reading = yield* Effect.forkChild(Stream.runCollect(stream.bytes), { startImmediately: true })
      yield* Effect.yieldNow
      events.onData(Uint8Array.of(4, 5))
      events.onEnd()
      assert.deepStrictEqual(
        (yield* Fiber.join(reading)).map((chunk) => [...chunk]),
        [[1, 2], [3], [4, 5]]
      )
    })
  )

  it.effect("is read as messages or as bytes, and what is refused takes nothing", () =>
    Effect.gen(function* () {
      const [one, two] = [setup(), setup()]
      for (const { events } of [one, two]) events.onData(new Uint8Array(Buffer.concat([user(1), user(2)])))
      assert.deepStrictEqual([...(yield* one.stream.next)], [1])
      assert.instanceOf(yield* Effect.flip(Stream.runDrain(one.stream.bytes)), SerializationError)
      assert.deepStrictEqual([...(yield* one.stream.next)], [2])
      const [first] = yield* Stream.runCollect(Stream.take(two.stream.bytes, 1))
      assert.deepStrictEqual([...first!], [...user(1), ...user(2)])
      two.events.onData(user(3))
      for (const refused of [two.stream.next, Stream.runDrain(two.stream.messages)]) {
        assert.instanceOf(yield* Effect.flip(refused), SerializationError)
      }
      const [rest] = yield* Stream.runCollect(Stream.take(two.stream.bytes, 1))
      assert.deepStrictEqual([...rest!], [...user(3)])
    })
  )

  it.effect("pauses for unread bytes as well, and resumes once they are taken", () =>
    Effect.gen(function* () {
      const { asked, events, stream } = setup()
      for (let i = 0; i < 1_000 && events.onData(new Uint8Array(1_000)); i++);
      assert.deepStrictEqual(asked, [])
      yield* Stream.runDrain(Stream.take(stream.bytes, 1))
      assert.deepStrictEqual(asked, ["resume"])
    })
  )

  it.effect("holds a small part of a message of any size before it is read, and takes all of it once it is read", () =>
    Effect.gen(function* () {
      const large = WireMessage.encodeUser(new Uint8Array(1 << 20).fill(7))
      for (const whole of [large, new Uint8Array(Buffer.concat([user(1), large]))]) {
        const { asked, events, stream } = setup({ maxMessageSize: 1 << 20 })
        let sent = 0
        const send = () => {
          while (sent < whole.length && events.onData(whole.subarray(sent, (sent += 1_000))));
        }
        send()
        assert.isBelow(sent, 300_000)
        assert.deepStrictEqual(asked, [])
        if (whole !== large) assert.deepStrictEqual([...(yield* stream.next)], [1])
        const reading = yield* Effect.forkChild(stream.next, { startImmediately: true })
        assert.deepStrictEqual(asked, ["resume"])
        send()
        assert.isAtLeast(sent, whole.length)
        assert.deepStrictEqual(yield* Fiber.join(reading), large.subarray(9))
        assert.deepStrictEqual(asked, ["resume"])
      }
    })
  )

  it.effect("resumes for the bytes of a large message when they are read as bytes", () =>
    Effect.gen(function* () {
      const { asked, events, stream } = setup({ maxMessageSize: 1 << 20 })
      const large = WireMessage.encodeUser(new Uint8Array(1 << 20))
      let sent = 0
      while (sent < 900_000 && events.onData(large.subarray(sent, (sent += 1_000))));
      let read = 0
      const reading = yield* Effect.forkChild(
        Stream.runForEach(stream.bytes, (chunk) => Effect.sync(() => (read += chunk.length))),
        { startImmediately: true }
      )
      yield* Effect.yieldNow
      assert.isBelow(sent, 300_000)
      assert.deepStrictEqual([read, asked], [sent, ["resume"]])
      events.onData(large.subarray(sent))
      events.onEnd()
      yield* Fiber.join(reading)
      assert.strictEqual(read, large.length)
    })
  )

  it.effect("does not resume a paused stream that was stopped before its first read, or that has ended", () =>
    Effect.gen(function* () {
      for (const end of ["stop", "end"] as const) {
        const { asked, events, stream } = setup({ maxMessageSize: 1 << 20 })
        const large = WireMessage.encodeUser(new Uint8Array(1 << 20))
        let sent = 0
        while (sent < 900_000 && events.onData(large.subarray(sent, (sent += 1_000))));
        if (end === "stop") yield* stream.stop(20)
        else events.onEnd()
        assert.strictEqual((yield* Effect.flip(stream.next))._tag, end === "stop" ? "StreamLost" : "SerializationError")
        assert.deepStrictEqual(asked, end === "stop" ? ["stop 20"] : [])
      }
    })
  )

  it.effect("asks for nothing before it is read, where it is lazy, and for all that comes after", () =>
    Effect.gen(function* () {
      for (const read of ["next", "bytes", "dropped"] as const) {
        const { asked, events, stream } = setup({ isLazy: true })
        assert.strictEqual(events.demand!(), 0)
        if (read === "dropped") events.drop()
        else
          yield* Effect.forkChild(read === "next" ? stream.next : Stream.runDrain(stream.bytes), {
            startImmediately: true
          })
        assert.strictEqual(events.demand!(), Infinity)
        assert.deepStrictEqual(asked, ["resume"])
      }
      assert.isUndefined(setup().events.demand)
    })
  )

  it.effect("fails and stops when too much of the connection's messages has come in part", () =>
    Effect.gen(function* () {
      let partial = 0
      const { asked, events, stream } = setup({
        maxMessageSize: 10_000,
        partial: { reassemble: (_stream, change) => (partial += change) <= 2_000 }
      })
      const reading = yield* Effect.forkChild(Effect.flip(stream.next), { startImmediately: true })
      const large = WireMessage.encodeUser(new Uint8Array(10_000))
      events.onData(large.subarray(0, 1_000))
      assert.isAbove(partial, 900)
      assert.deepStrictEqual(asked, [])
      events.onData(large.subarray(1_000, 4_000))
      assert.instanceOf(yield* Fiber.join(reading), SerializationError)
      assert.deepStrictEqual(asked, ["stop 2"])
      assert.strictEqual(partial, 0)
    })
  )

  it.effect("returns the bytes of a message in part to the connection when the rest is malformed", () =>
    Effect.gen(function* () {
      let partial = 0
      const { asked, events, stream } = setup({
        partial: { reassemble: (_stream, change) => (partial += change) <= 2_000 }
      })
      const reading = yield* Effect.forkChild(stream.next, { startImmediately: true })
      const message = WireMessage.encodeUser(new Uint8Array(1_000))
      events.onData(message.subarray(0, 500))
      assert.isAbove(partial, 400)
      events.onData(new Uint8Array([...message.subarray(500), ...new Uint8Array(9)]))
      assert.strictEqual(partial, 0)
      assert.strictEqual((yield* Fiber.join(reading)).length, 1_000)
      assert.deepStrictEqual(asked, ["stop 1"])
    })
  )

  it.effect(
    "counts as malformed once, whether its bytes came before the first read, after it, or end within a message",
    () =>
      Effect.gen(function* () {
        const wrong = new Uint8Array(9)
        for (const [parts, when, ends] of [
          [[user(1), wrong, wrong, user(2)], "before", true],
          [[user(1), wrong, wrong, user(2)], "after", false],
          [[user(1), user(2).subarray(0, 4)], "before", true],
          [[user(1), user(2).subarray(0, 4)], "after", true]
        ] as const) {
          const malformed: Array<string> = []
          const { asked, events, stream } = setup({ malformed: (reason) => malformed.push(reason) })
          if (when === "before") for (const part of parts) events.onData(part)
          if (when === "before" && ends) events.onEnd()
          assert.deepStrictEqual(malformed, [])
          const reading = yield* Effect.forkChild(stream.next, { startImmediately: true })
          if (when === "after") for (const part of parts) events.onData(part)
          if (when === "after" && ends) events.onEnd()
          assert.deepStrictEqual([...(yield* Fiber.join(reading))], [1])
          const error = yield* Effect.flip(stream.next)
          assert.deepStrictEqual(malformed, [error._tag === "SerializationError" ? error.detail : error._tag])
          assert.deepStrictEqual(asked, parts.length === 4 ? ["stop 1"] : [])
        }
        const malformed: Array<string> = []
        const { events, stream } = setup({ malformed: (reason) => malformed.push(reason) })
        events.onData(user(1).subarray(0, 4))
        yield* stream.stop(20)
        events.onEnd()
        assert.instanceOf(yield* Effect.flip(stream.next), StreamLost)
        assert.deepStrictEqual(malformed, [])
      })
  )
})
