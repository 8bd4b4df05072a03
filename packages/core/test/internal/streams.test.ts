import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { lossOf } from "../../src/internal/failures.ts"
import { Received } from "../../src/internal/connection/received.ts"
import { RecvStreamImpl } from "../../src/internal/connection/recvStream.ts"
import { SendStreamImpl } from "../../src/internal/connection/sendStream.ts"
import { SerializationError, StreamLost } from "../../src/SendError.ts"
import { StreamClosed } from "../../src/StreamError.ts"
import type { BackingSendStream, StreamFailure } from "../../src/Transport.ts"
import * as WireMessage from "../../src/WireMessage.ts"

const noConnection = (): never => {
  throw new Error("no test here loses a connection")
}
const loss = (failure: StreamFailure) => lossOf(failure, noConnection)

describe("the sending half", () => {
  const setup = () => {
    const asked: Array<string> = []
    const backing: BackingSendStream = {
      write: (bytes, fin, done) => {
        asked.push(`write ${bytes.length}${fin ? " fin" : ""}`)
        done()
      },
      setPriority: (priority) => asked.push(`priority ${priority}`),
      reset: (code) => asked.push(`reset ${code}`)
    }
    return {
      asked,
      stream: new SendStreamImpl(backing, { maxMessageSize: 100_000, lossOf: loss, closed: Effect.never })
    }
  }

  it.effect("has priorities that are whole numbers, and codes that every transport can carry", () =>
    Effect.gen(function* () {
      const { asked, stream } = setup()
      for (const priority of [7, -2.7, Number.NaN, Infinity]) yield* stream.setPriority(priority)
      for (const code of [7, -1, 2 ** 62]) yield* stream.reset(code)
      assert.deepStrictEqual(asked, [
        "priority 7",
        "priority -2",
        "priority 0",
        "priority 0",
        "reset 7",
        "reset 0",
        `reset ${Number.MAX_SAFE_INTEGER}`
      ])
    })
  )

  it.effect("writes small messages in one piece and large ones without copying them", () =>
    Effect.gen(function* () {
      const { asked, stream } = setup()
      yield* stream.sendMessage(new Uint8Array(10))
      yield* stream.sendMessage(new Uint8Array(50_000))
      yield* stream.finish
      assert.deepStrictEqual(asked, ["write 19", "write 9", "write 50000", "write 0 fin"])
    })
  )

  it.effect("ends the stream with a message, large or small, and not with one that cannot be sent", () =>
    Effect.gen(function* () {
      const { asked, stream } = setup()
      assert.instanceOf(yield* Effect.flip(stream.sendMessage(new Uint8Array(0), { fin: true })), SerializationError)
      yield* stream.sendMessage(new Uint8Array(10), { fin: false })
      yield* stream.sendMessage(new Uint8Array(10), { fin: true })
      yield* stream.sendMessage(new Uint8Array(50_000), { fin: true })
      assert.deepStrictEqual(asked, ["write 19", "write 19 fin", "write 9", "write 50000 fin"])
    })
  )

  it.effect("takes no message that the peer would not take", () =>
    Effect.gen(function* () {
      const { asked, stream } = setup()
      for (const length of [0, 100_001]) {
        assert.instanceOf(yield* Effect.flip(stream.sendMessage(new Uint8Array(length))), SerializationError)
      }
      assert.deepStrictEqual(asked, [])
    })
  )
})

describe("the receiving half", () => {
  const user = (byte: number) => WireMessage.encodeUser(Uint8Array.of(byte))
  const setup = () => {
    const asked: Array<string> = []
    const events = new Received({ maxMessageSize: 1_000, lossOf: loss })
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
})
