import { assert, describe, it } from "@effect/vitest"
import { Body } from "../../../src/internal/wire/body.ts"

const KiB = 1_024

const content = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 31 + (i >>> 8)) & 0xff)

/** Hands `whole` to a body in parts of `part` bytes. Returns the copy, and what it held with each number of bytes. */
const collect = (whole: Uint8Array, part: number) => {
  const body = new Body()
  const held: Array<readonly [received: number, held: number]> = []
  let at = 0
  for (; at + part < whole.length; at += part) {
    body.append(whole, at, at + part, whole.length)
    held.push([body.received, body.held])
  }
  return { copy: body.complete(whole, at, whole.length, whole.length), held }
}

const sizes = [100, 200 * KiB, 511 * KiB, 513 * KiB, 1_500 * KiB, 4 * 1_024 * KiB - 1, 5 * 1_024 * KiB + 7]

describe("the body of a frame", () => {
  for (const size of sizes) {
    it(`of ${size} bytes is whole however it comes`, () => {
      const whole = content(size)
      for (const part of [1_350, 16_000, 300 * KiB]) {
        assert.strictEqual(Buffer.compare(collect(whole, part).copy, whole), 0, `in parts of ${part}`)
      }
    })
  }

  it("holds memory that grows with each part, to twice the received bytes at most, and never beyond the whole", () => {
    for (const size of sizes) {
      let before = 0
      for (const [received, held] of collect(content(size), 1_350).held) {
        assert.isAtLeast(held, Math.min(received, before))
        assert.isAtLeast(held, before)
        assert.isAtMost(held - before, 64 * KiB + 2 * 1_350)
        assert.isAtMost(held, Math.min(Math.max(2 * received, 64), size))
        before = held
      }
    }
  })

  it("can be handed on as it is: its buffer has a fixed length", () => {
    for (const size of sizes) {
      const { buffer } = collect(content(size), 16_000).copy
      assert.isFalse((buffer as ArrayBuffer & { readonly resizable?: boolean }).resizable ?? false)
    }
  })

  it("is whole, too, where a platform has no memory that grows", () => {
    const whole = content(5_000 * KiB)
    const { prototype } = ArrayBuffer
    const resize = Object.getOwnPropertyDescriptor(prototype, "resize")!
    try {
      delete (prototype as { resize?: unknown }).resize
      assert.strictEqual(Buffer.compare(collect(whole, 16_000).copy, whole), 0)
    } finally {
      Object.defineProperty(prototype, "resize", resize)
    }
  })
})
