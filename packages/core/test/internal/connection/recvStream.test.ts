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
const loss = (failure: StreamFailure) => streamErrorOf(failure, noConnection)

describe("the receiving half", () => {
  const user = (byte: number) => WireMessage.encodeUser(Uint8Array.of(byte))
  const setup = (options: Partial<ReceiveBufferOptions> = {}) => {
    const asked: Array<string> = []
    const events = new ReceiveBuffer({ maxMessageSize: 1_000, streamErrorOf: loss, ...options })
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

  it.effect("takes all of an unread large message, and then pauses; bytes that are no message it does not", () =>
    Effect.gen(function* () {
      const large = WireMessage.encodeUser(new Uint8Array(1 << 20))
      const { asked, events, stream } = setup({ maxMessageSize: 1 << 20 })
      let sent = 0
      while (sent < large.length && events.onData(large.subarray(sent, (sent += 1_000))));
      assert.isAtLeast(sent, large.length)
      assert.strictEqual((yield* stream.next).length, 1 << 20)
      assert.deepStrictEqual(asked, ["resume"])
      for (const [what, maxMessageSize] of [
        [large, (1 << 20) - 1],
        [large.subarray(1), 1 << 20]
      ] as const) {
        const { events } = setup({ maxMessageSize })
        sent = 0
        while (sent < what.length && events.onData(what.subarray(sent, (sent += 1_000))));
        assert.isBelow(sent, 300_000)
      }
    })
  )

  it.effect("resumes for its bytes when it turns out that they are no messages", () =>
    Effect.gen(function* () {
      const { asked, events, stream } = setup({ maxMessageSize: 1 << 20 })
      const large = WireMessage.encodeUser(new Uint8Array(1 << 20))
      for (let sent = 0; sent < 900_000;) assert.isTrue(events.onData(large.subarray(sent, (sent += 1_000))))
      const reading = yield* Effect.forkChild(Stream.runDrain(Stream.take(stream.bytes, 900)), {
        startImmediately: true
      })
      yield* Fiber.join(reading)
      for (let i = 0; i < 1_000 && events.onData(new Uint8Array(1_000)); i++);
      assert.deepStrictEqual(asked, [])
      yield* Stream.runDrain(Stream.take(stream.bytes, 1))
      assert.deepStrictEqual(asked, ["resume"])
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
        reassemble: (change) => (partial += change) <= 2_000
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
})
