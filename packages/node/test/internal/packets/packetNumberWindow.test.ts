import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { PacketNumberWindow } from "../../../src/internal/packets/packetNumberWindow.ts"
import { decrypted } from "../../support/frames.ts"

/** What the binding does (RFC 9000, appendix A.3): it knows all numbers, and of the latest 128 those that have come. */
class Reference {
  private largest = 0n
  private upper = -1n
  private readonly seen = new Set<bigint>()

  add(truncated: bigint, bits: bigint): boolean {
    const expected = this.largest + 1n
    const window = 1n << bits
    let number = (expected & ~(window - 1n)) | truncated
    if (number + window / 2n <= expected) number += window
    else if (number > expected + window / 2n && number >= window) number -= window
    if (this.seen.has(number) || number + 127n < this.upper) return false
    this.seen.add(number)
    if (number > this.upper) this.upper = number
    if (number > this.largest) this.largest = number
    return true
  }
}

const packet = (number: number, numberLength: number) => decrypted([1], { number, numberLength })

describe("the numbers of packets", () => {
  it("are taken for new and for duplicates as the binding takes them, in every order and with every length", () => {
    // Small steps around the latest number, and jumps of any size.
    const step = fc.record({
      by: fc.oneof(
        fc.integer({ min: 1, max: 1 }),
        fc.integer({ min: -140, max: 140 }),
        // Where a number begins to stand for another one.
        fc
          .tuple(fc.constantFrom(7, 8, 15, 16, 23, 24, 31, 32), fc.integer({ min: -2, max: 2 }))
          .map(([bits, by]) => 2 ** bits + by),
        fc.integer({ min: -(2 ** 32), max: 2 ** 32 })
      ),
      numberLength: fc.integer({ min: 1, max: 4 })
    })
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 400 }), (steps) => {
        const window = new PacketNumberWindow()
        const reference = new Reference()
        let number = 0
        for (const { by, numberLength } of steps) {
          number = Math.max(0, number + by)
          const truncated = number % 2 ** (8 * numberLength)
          const isNew = reference.add(BigInt(truncated), BigInt(8 * numberLength))
          assert.strictEqual(window.add(packet(truncated, numberLength)), isNew)
        }
      }),
      { numRuns: 2_000 }
    )
  })

  it("count once each, and those that are too old for the window never", () => {
    const window = new PacketNumberWindow()
    for (let i = 0; i < 1_000; i++) {
      assert.isTrue(window.add(packet(i, 2)))
      assert.isFalse(window.add(packet(i, 2)))
    }
    assert.isTrue(window.add(packet(1_100, 2)))
    assert.isTrue(window.add(packet(1_000, 2)))
    assert.isFalse(window.add(packet(999, 2)))
    assert.isFalse(window.add(packet(100, 2)))
  })

  it("all count once it is not known which the binding has seen", () => {
    const window = new PacketNumberWindow()
    assert.isTrue(window.add(packet(7, 1)))
    assert.isFalse(window.add(packet(7, 1)))
    window.goBlind()
    assert.isTrue(window.add(packet(7, 1)))
  })
})
