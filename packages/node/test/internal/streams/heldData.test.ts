import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { HeldData } from "../../../src/internal/streams/heldData.ts"
import { fragmentCost, smallFragment, smallFragmentCost, streamCost } from "../../../src/internal/tunables/frames.ts"

describe("the streams that a peer has opened", () => {
  it("cost something until they end, whether they have data or not, and those of this side nothing", () => {
    const held = new HeldData(false)
    held.add(2, 0, 10)
    held.read(2, 10)
    held.opened(0)
    held.opened(0)
    held.add(1, 0, 10)
    held.opened(3)
    assert.strictEqual(held.watched, 3)
    assert.strictEqual(held.streamMemory, 2 * streamCost)
    held.ended(2)
    assert.strictEqual(held.streamMemory, streamCost)
    held.forgetEnded(() => false)
    assert.strictEqual(held.streamMemory, streamCost)
    held.forgetEnded(() => true)
    assert.strictEqual(held.streamMemory, 0)
    held.opened(4)
    held.clear()
    assert.strictEqual(held.streamMemory, 0)
    const dialled = new HeldData(true)
    dialled.opened(0)
    dialled.opened(1)
    assert.strictEqual(dialled.streamMemory, streamCost)
  })
})

describe("the data that the binding keeps", () => {
  it("costs its bytes and something for each piece, and more when that is small, until it is read", () => {
    const held = new HeldData(false)
    held.add(2, 0, smallFragment)
    held.add(6, 0, 10)
    assert.strictEqual(held.fragments, 2)
    assert.strictEqual(held.memory, smallFragment + fragmentCost + smallFragmentCost)
    held.read(2, smallFragment)
    assert.strictEqual(held.memory, smallFragmentCost)
    held.read(6, 5)
    assert.strictEqual(held.fragments, 1)
    held.read(6, 10)
    assert.strictEqual(held.memory, 0)
  })

  it("counts piece by piece when it comes out of order, until the gap is closed and read", () => {
    const held = new HeldData(false)
    for (let i = 0; i < 1_000; i++) held.add(2, 2 * i + 1, 1)
    held.read(2, 0)
    assert.strictEqual(held.fragments, 1_000)
    held.add(2, 0, 2_000)
    held.read(2, 2_000)
    assert.strictEqual(held.fragments, 0)
  })

  it("is never less than what the binding has, and nothing once all is read, in any order of pieces and reads", () => {
    const piece = fc.record({ offset: fc.nat({ max: 50 }), length: fc.integer({ min: 1, max: 20 }) })
    const event = fc.oneof(piece, fc.nat({ max: 70 }))
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const held = new HeldData(false)
        // The binding has every piece whose end has not been read.
        let kept: Array<{ readonly end: number; readonly length: number }> = []
        let end = 0
        let readTo = 0
        for (const it of events) {
          if (typeof it === "number") {
            readTo = Math.max(readTo, Math.min(it, end))
            held.read(2, readTo)
            kept = kept.filter((each) => each.end > readTo)
          } else {
            held.add(2, it.offset, it.length)
            end = Math.max(end, it.offset + it.length)
            if (it.offset + it.length > readTo) kept.push({ end: it.offset + it.length, length: it.length })
          }
          assert.isAtLeast(held.fragments, kept.length)
          assert.isAtLeast(
            held.memory,
            kept.reduce((sum, { length }) => sum + length + fragmentCost, 0)
          )
        }
        held.read(2, end)
        assert.strictEqual(held.fragments, 0)
        assert.strictEqual(held.memory, 0)
      }),
      { numRuns: 2_000 }
    )
  })

  it("stays bounded on a stream that goes on for ever and always lacks something", () => {
    const held = new HeldData(false)
    let most = 0
    for (let i = 0; i < 100_000; i++) {
      held.add(2, i * 1_000, 1_000)
      // What was lost is sent again a hundred packets later.
      held.read(2, Math.max(0, i - 100) * 1_000)
      most = Math.max(most, held.fragments)
    }
    assert.isBelow(most, 300)
  })

  it("is gone with the end of its stream, with a stop, and with what had ended before it came", () => {
    const held = new HeldData(false)
    for (const id of [2, 6, 10]) held.add(id, 5, 1)
    held.ended(2)
    held.stopped(6)
    assert.strictEqual(held.fragments, 1)
    held.add(6, 7, 1)
    assert.strictEqual(held.fragments, 1)
    held.forgetEnded((id) => id === 10)
    assert.deepStrictEqual([...held.ids()], [6])
    assert.strictEqual(held.memory, 0)
    held.add(2, 5, 1)
    held.clear()
    assert.deepStrictEqual([...held.ids()], [])
    assert.strictEqual(held.memory, 0)
  })

  it("asks about no stream of which nothing is held, unless it was stopped", () => {
    const held = new HeldData(false)
    assert.deepStrictEqual([...held.ids()], [])
    for (const id of [2, 6, 10]) held.add(id, 0, 10)
    held.read(2, 10)
    held.stopped(10)
    const asked: Array<number> = []
    held.forgetEnded((id) => {
      asked.push(id)
      return false
    })
    assert.deepStrictEqual(asked, [6, 10])
    // One that comes late is asked about again.
    held.add(2, 0, 10)
    held.forgetEnded((id) => id === 2)
    assert.deepStrictEqual([...held.ids()], [6, 10])
  })
})
