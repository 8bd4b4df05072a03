import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { randomBytes } from "node:crypto"
import * as WriteBuffer from "../../src/internal/WriteBuffer.ts"

const setup = () => {
  const written: Array<Uint8Array> = []
  const buffer = WriteBuffer.make((chunk) => Effect.sync(() => void written.push(Uint8Array.from(chunk))))
  return { written, buffer }
}

describe("WriteBuffer", () => {
  it.effect("writes 200,000 bytes that come one by one in four pieces", () =>
    Effect.gen(function* () {
      const { buffer, written } = setup()
      const content = new Uint8Array(randomBytes(200_000))
      const one = new Uint8Array(1)
      for (const byte of content) {
        // The same memory for each: the buffer must not keep it.
        one[0] = byte
        yield* buffer.write(one)
      }
      yield* buffer.flush
      yield* buffer.flush
      assert.deepStrictEqual(
        written.map(({ length }) => length),
        [65_536, 65_536, 65_536, 3_392]
      )
      assert.isTrue(Buffer.concat(written).equals(content))
    })
  )

  it.effect("keeps the order when large pieces come between small ones, and does not keep those", () =>
    Effect.gen(function* () {
      const { buffer, written } = setup()
      yield* buffer.write(Uint8Array.of(1))
      yield* buffer.write(new Uint8Array(70_000).fill(2))
      yield* buffer.write(Uint8Array.of(3))
      yield* buffer.write(new Uint8Array(65_535).fill(4))
      assert.deepStrictEqual(
        written.map((chunk) => [chunk[0], chunk.length]),
        [
          [1, 1],
          [2, 70_000],
          [3, 65_536]
        ]
      )
    })
  )

  it.effect("writes what is older than a second with the next piece", () =>
    Effect.gen(function* () {
      const { buffer, written } = setup()
      yield* buffer.write(Uint8Array.of(1))
      yield* TestClock.adjust("999 millis")
      yield* buffer.write(Uint8Array.of(2))
      assert.strictEqual(written.length, 0)
      yield* TestClock.adjust("1 millis")
      yield* buffer.write(Uint8Array.of(3))
      assert.deepStrictEqual(written, [Uint8Array.of(1, 2, 3)])
    })
  )
})
