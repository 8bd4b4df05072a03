import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Deadlines } from "../../../src/internal/socket/deadlines.ts"

interface Item {
  deadline: number
}

const heapOf = (deadlines: Deadlines<Item>) =>
  (deadlines as unknown as { readonly heap: ReadonlyArray<{ readonly item: Item | undefined }> }).heap

describe("deadlines", () => {
  it("come up in order, each at the time it has by then, and no more once deleted", () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant("set" as const),
        item: fc.nat(9),
        deadline: fc.oneof(fc.nat(100), fc.constant(Infinity))
      }),
      fc.record({ kind: fc.constant("delete" as const), item: fc.nat(9) }),
      fc.record({ kind: fc.constant("take" as const), now: fc.nat(100) })
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const items = Array.from({ length: 10 }, (): Item => ({ deadline: Infinity }))
        const deadlines = new Deadlines<Item>()
        const listed = new Set<Item>()
        for (const step of steps) {
          if (step.kind === "set") {
            const item = items[step.item]!
            item.deadline = step.deadline
            deadlines.update(item)
            if (step.deadline < Infinity) listed.add(item)
          } else if (step.kind === "delete") {
            deadlines.delete(items[step.item]!)
            listed.delete(items[step.item]!)
          } else {
            const due = [...listed].filter(({ deadline }) => deadline <= step.now)
            const taken: Array<Item> = []
            for (let item = deadlines.take(step.now); item !== undefined; item = deadlines.take(step.now))
              taken.push(item)
            assert.isTrue(taken.every((item) => due.includes(item)))
            assert.strictEqual(taken.length, due.length)
            for (const item of due) listed.delete(item)
          }
          // Never later than the soonest there is.
          assert.isTrue([...listed].every(({ deadline }) => deadlines.next <= deadline))
        }
      })
    )
  })

  it("take the soonest first", () => {
    const deadlines = new Deadlines<Item>()
    const times = Array.from({ length: 1_000 }, (_, i) => (i * 619) % 1_000)
    for (const deadline of times) deadlines.update({ deadline })
    const taken: Array<number> = []
    for (let item = deadlines.take(2_000); item !== undefined; item = deadlines.take(2_000)) taken.push(item.deadline)
    assert.deepStrictEqual(
      taken,
      times.toSorted((one, other) => one - other)
    )
  })

  it("do not pile up when they come closer again and again", () => {
    const deadlines = new Deadlines<Item>()
    const item: Item = { deadline: 0 }
    for (let now = 0; now < 100_000; now += 1) {
      item.deadline = now + 60_000
      deadlines.update(item)
      item.deadline = now
      deadlines.update(item)
      assert.strictEqual(deadlines.take(now), item)
    }
    assert.isBelow(heapOf(deadlines).length, 200)
  })

  it("keep no item that was deleted, and one that came closer only once", () => {
    const deadlines = new Deadlines<Item>()
    const deleted: Item = { deadline: 60_000 }
    deadlines.update(deleted)
    deadlines.delete(deleted)
    const closer: Item = { deadline: 60_000 }
    for (; closer.deadline > 0; closer.deadline -= 10_000) deadlines.update(closer)
    assert.deepStrictEqual(
      heapOf(deadlines)
        .filter(({ item }) => item !== undefined)
        .map(({ item }) => item === closer),
      [true]
    )
  })
})
