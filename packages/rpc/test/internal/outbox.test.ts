/** Frames that wait for a stream: what they keep of memory, their order, and their bound. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as limits from "../../src/internal/limits.ts"
import { Outbox } from "../../src/internal/outbox.ts"
import { encode, encodeAlone, FrameKind } from "../../src/internal/wire/frame.ts"
import { type Frame, FrameDecoder } from "../../src/internal/wire/frameDecoder.ts"

/** The memory of all buffers, in bytes, without garbage. */
const buffers = (): number => {
  setFlagsFromString("--expose-gc")
  const collect = runInNewContext("gc") as () => void
  collect()
  collect()
  return process.memoryUsage().arrayBuffers
}

const frame = (call: number, text: string) => encode(FrameKind.message, call, text)

/** Encodes what others send meanwhile: more than a buffer of short frames. */
const others = () => {
  for (let count = 0; count < 40; count++) frame(0, "o".repeat(4_000))
}

describe("frames that wait for a stream", () => {
  it.effect("keep about their own memory, and not that of the frames they were encoded with", () =>
    Effect.gen(function* () {
      const before = buffers()
      const outbox = new Outbox()
      for (let call = 0; call < 1_000; call++) {
        outbox.push(frame(call, "short"))
        others()
      }
      const kept = buffers() - before
      assert.isBelow(kept, 4 << 20)
      assert.isAtLeast(outbox.bytes, 1_000 * 14)
      assert.isAtMost(outbox.bytes, 1_000 * 14 * 2)

      const written: Array<Uint8Array> = []
      const fiber = yield* Effect.forkChild(
        outbox.drain((bytes) => Effect.sync(() => void written.push(bytes))),
        { startImmediately: true }
      )
      const decoder = new FrameDecoder(100)
      const frames: Array<Frame> = []
      for (const bytes of written) {
        assert.isAtMost(bytes.buffer.byteLength, Math.max(256, 2 * bytes.length))
        assert.isTrue(decoder.push(bytes, frames))
      }
      assert.deepStrictEqual(
        frames.map(({ call, content }) => [call, new TextDecoder().decode(content)]),
        Array.from({ length: 1_000 }, (_, call) => [call, "short"])
      )
      assert.strictEqual(outbox.bytes, 0)
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("count with what is being written, as the owner is told, until it is written", () =>
    Effect.gen(function* () {
      let told = 0
      const outbox = new Outbox((change) => (told += change))
      const go = yield* Deferred.make<void>()
      const sizes: Array<number> = []
      const write = (bytes: Uint8Array) => {
        sizes.push(bytes.length)
        return Deferred.await(go)
      }
      const fiber = yield* Effect.forkChild(outbox.drain(write), { startImmediately: true })
      while (!outbox.isFull) outbox.push(frame(1, "x".repeat(10_000)))
      yield* Effect.yieldNow
      assert.isAtLeast(told, limits.outbox)
      assert.strictEqual(told, outbox.bytes)
      const waiting = yield* Effect.forkChild(outbox.room, { startImmediately: true })
      assert.isUndefined(waiting.pollUnsafe())
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(waiting)
      while (outbox.bytes > 0) yield* Effect.yieldNow
      assert.strictEqual(told, 0)
      for (const size of sizes) assert.isAtMost(size, 64 << 10)
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("are dropped with the stream, and those that wait for room go on", () =>
    Effect.gen(function* () {
      let told = 0
      const outbox = new Outbox((change) => (told += change))
      while (!outbox.isFull) outbox.push(frame(1, "x".repeat(10_000)))
      const waiting = yield* Effect.forkChild(outbox.room, { startImmediately: true })
      outbox.close()
      yield* Fiber.join(waiting)
      outbox.push(frame(1, "late"))
      assert.strictEqual(told, 0)
      assert.strictEqual(outbox.bytes, 0)
    })
  )

  it("of streams of one call have memory of their own", () => {
    for (const text of ["", "short", "é".repeat(100), "x".repeat(5_000), "é".repeat(5_000)]) {
      const alone = encodeAlone(FrameKind.message, 7, text)
      assert.strictEqual(alone.buffer.byteLength, alone.length)
      assert.deepStrictEqual(alone, new Uint8Array(encode(FrameKind.message, 7, text)))
    }
  })
})
