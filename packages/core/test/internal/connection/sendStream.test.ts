import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { type Close, IdleTimedOut } from "../../../src/Close.ts"
import { streamErrorOf } from "../../../src/internal/failures.ts"
import { SendStreamImpl } from "../../../src/internal/connection/sendStream.ts"
import { SerializationError } from "../../../src/SendError.ts"
import { StreamStopped } from "../../../src/StreamError.ts"
import type { BackingSendStream, StreamFailure } from "../../../src/Transport.ts"

const noConnection = (): never => {
  throw new Error("no test here loses a connection")
}
const loss = (failure: StreamFailure) => streamErrorOf(failure, { errorOf: noConnection })

const sending = () => {
  const asked: Array<string> = []
  let stop: ((stopped: StreamStopped) => void) | undefined
  const backing: BackingSendStream = {
    write: (bytes, fin, done) => {
      asked.push(`write ${bytes.length}${fin ? " fin" : ""}`)
      done()
    },
    onStopped: (told) => {
      asked.push("onStopped")
      stop = told
    },
    setPriority: (priority) => asked.push(`priority ${priority}`),
    reset: (code) => asked.push(`reset ${code}`)
  }
  const closed = Deferred.makeUnsafe<Close>()
  const stream = new SendStreamImpl(backing, {
    maxMessageSize: 100_000,
    streamErrorOf: loss,
    closed: Deferred.await(closed)
  })
  return { asked, closed, stream, stops: (code: number) => stop?.(new StreamStopped({ code })) }
}

describe("the sending half", () => {
  it.effect("has priorities that are whole numbers, and codes that every transport can carry", () =>
    Effect.gen(function* () {
      const { asked, stream } = sending()
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
      const { asked, stream } = sending()
      yield* stream.sendMessage(new Uint8Array(10))
      yield* stream.sendMessage(new Uint8Array(50_000))
      yield* stream.finish
      assert.deepStrictEqual(asked, ["write 19", "write 9", "write 50000", "write 0 fin"])
    })
  )

  it.effect("ends the stream with a message, large or small, and not with one that cannot be sent", () =>
    Effect.gen(function* () {
      const { asked, stream } = sending()
      assert.instanceOf(yield* Effect.flip(stream.sendMessage(new Uint8Array(0), { fin: true })), SerializationError)
      yield* stream.sendMessage(new Uint8Array(10), { fin: false })
      yield* stream.sendMessage(new Uint8Array(10), { fin: true })
      yield* stream.sendMessage(new Uint8Array(50_000), { fin: true })
      assert.deepStrictEqual(asked, ["write 19", "write 19 fin", "write 9", "write 50000 fin"])
    })
  )

  it.effect("takes no message that the peer would not take", () =>
    Effect.gen(function* () {
      const { asked, stream } = sending()
      for (const length of [0, 100_001]) {
        assert.instanceOf(yield* Effect.flip(stream.sendMessage(new Uint8Array(length))), SerializationError)
      }
      assert.deepStrictEqual(asked, [])
    })
  )
})

describe("the sending half, without frames", () => {
  it.effect("writes bytes as they are, ends with them, and writes none where there are none", () =>
    Effect.gen(function* () {
      const { asked, stream } = sending()
      yield* stream.write(new Uint8Array(200_000))
      yield* stream.write(new Uint8Array(0))
      yield* stream.write(new Uint8Array(3), { fin: false })
      yield* stream.write(new Uint8Array(0), { fin: true })
      assert.deepStrictEqual(asked, ["write 200000", "write 3", "write 0 fin"])
    })
  )

  it.effect("refuses what is no bytes, what is gone, and options that there are not, and ends nothing", () =>
    Effect.gen(function* () {
      const { asked, stream } = sending()
      const detached = new Uint8Array(4)
      structuredClone(detached, { transfer: [detached.buffer] })
      for (const wrong of ["text", [1], null, undefined, new ArrayBuffer(2), new Uint16Array(2), detached]) {
        assert.instanceOf(yield* Effect.flip(stream.write(wrong as Uint8Array, { fin: true })), SerializationError)
      }
      const options = { fine: true } as unknown as { fin: boolean }
      assert.instanceOf(yield* Effect.flip(stream.write(Uint8Array.of(1), options)), SerializationError)
      assert.deepStrictEqual(asked, [])
    })
  )
})

describe("the stop of a sending half", () => {
  it.effect("is asked for once, told to everybody who waits, and to those who come later", () =>
    Effect.gen(function* () {
      const { asked, stops, stream } = sending()
      const waiting = yield* Effect.forEach([1, 2, 3], () =>
        Effect.forkChild(stream.stopped, { startImmediately: true })
      )
      yield* Fiber.interrupt(waiting[1]!)
      stops(7)
      for (const fiber of [waiting[0]!, waiting[2]!]) {
        assert.deepStrictEqual(yield* Fiber.join(fiber), new StreamStopped({ code: 7 }))
      }
      assert.deepStrictEqual(yield* stream.stopped, new StreamStopped({ code: 7 }))
      assert.deepStrictEqual(asked, ["onStopped"])
    })
  )

  it.effect("is the end of the connection where the peer stops nothing", () =>
    Effect.gen(function* () {
      const { closed, stream } = sending()
      const waiting = yield* Effect.forkChild(stream.stopped, { startImmediately: true })
      yield* Deferred.succeed(closed, new IdleTimedOut())
      assert.deepStrictEqual(yield* Fiber.join(waiting), new IdleTimedOut())
      assert.deepStrictEqual(yield* stream.stopped, new IdleTimedOut())
    })
  )

  it.effect("is the stop when the connection closed after it, although the transport reports it a turn later", () =>
    Effect.gen(function* () {
      const past = new StreamStopped({ code: 7 })
      for (const ahead of [0, 1]) {
        const closed = Deferred.makeUnsafe<Close>()
        const backing = {
          onStopped: (told: (stopped: StreamStopped) => void) => queueMicrotask(() => told(past))
        } as unknown as BackingSendStream
        const stream = new SendStreamImpl(backing, {
          maxMessageSize: 1_000,
          streamErrorOf: loss,
          closed: Deferred.await(closed)
        })
        yield* Deferred.succeed(closed, new IdleTimedOut())
        // A run that is interrupted at once leaves the registration to the next one.
        for (let i = 0; i < ahead; i++) {
          yield* Fiber.interrupt(yield* Effect.forkChild(stream.stopped, { startImmediately: true }))
        }
        assert.deepStrictEqual(yield* stream.stopped, past)
        assert.deepStrictEqual(yield* stream.stopped, past)
      }
    })
  )
})
