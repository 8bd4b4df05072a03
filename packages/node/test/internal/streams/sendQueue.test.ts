import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { SendQueue } from "../../../src/internal/streams/sendQueue.ts"
import { sendQuantum } from "../../../src/internal/tunables/streams.ts"

/** What the queue looks at, and a name. */
interface Item {
  readonly name: string
  id: number | undefined
  pending: number
  priority: number
}

const nameOf = (taken: Item | undefined): string | undefined => taken?.name

const short = (name: string, priority = 0): Item => ({ name, id: undefined, pending: 100, priority })
const long = (name: string, priority = 0): Item => ({ name, id: undefined, pending: sendQuantum + 1, priority })
const begun = (name: string, priority = 0): Item => ({ name, id: 4, pending: sendQuantum + 1, priority })

const never = { mayBegin: () => false }

const take = (queue: SendQueue<Item>): Item | undefined => queue.take(true)

const filled = (...streams: ReadonlyArray<Item>): SendQueue<Item> => {
  const queue = new SendQueue<Item>()
  for (const it of streams) queue.push(it)
  return queue
}

const all = (queue: SendQueue<Item>, mayOpen = true): Array<string | undefined> => {
  const names: Array<string | undefined> = []
  for (let it = queue.take(mayOpen); it !== undefined; it = queue.take(mayOpen)) names.push(nameOf(it))
  return names
}

describe("SendQueue", () => {
  it("yields nothing when it is empty", () => {
    const queue = new SendQueue<Item>()
    assert.isUndefined(take(queue))
    assert.isUndefined(queue.take(false))
    assert.strictEqual(queue.size, 0)
  })

  it("returns higher priorities first, in every order of arrival", () => {
    const priorities = [0, 5, -3, 1_000, 5, -1_000, 0.5]
    const queue = filled(...priorities.map((priority) => short(`${priority}`, priority)))
    assert.deepStrictEqual(all(queue), ["1000", "5", "5", "0.5", "0", "-3", "-1000"])
  })

  it("yields streams of one kind and priority in their order", () => {
    assert.deepStrictEqual(all(filled(short("a"), short("b"), short("c"))), ["a", "b", "c"])
    assert.deepStrictEqual(all(filled(long("a"), long("b"), long("c"))), ["a", "b", "c"])
  })

  it("lets short ones and one that has begun alternate", () => {
    const names = all(filled(begun("long"), begun("long"), begun("long"), short("s"), short("s"), short("s")))
    assert.deepStrictEqual(names, ["s", "long", "s", "long", "s", "long"])
  })

  it("goes on with a long one that has begun before another begins", () => {
    assert.deepStrictEqual(all(filled(long("second"), begun("first"))), ["first", "second"])
  })

  it("lets a long one begin between short ones", () => {
    const names = all(filled(short("s1"), short("s2"), short("s3"), long("l")))
    assert.isBelow(names.indexOf("l"), 3)
    assert.strictEqual(names.length, 4)
  })

  it("lets short ones and lower priorities go on when no long one may begin", () => {
    const queue = filled(long("a", 1), short("b", 1), long("c"), begun("d"))
    const names = Array.from({ length: 3 }, () => nameOf(queue.take(true, never)))
    assert.deepStrictEqual(names, ["b", "d", undefined])
    assert.deepStrictEqual(all(queue), ["a", "c"])
  })

  it("takes a short one that has grown for a long one", () => {
    const grown = short("a")
    const queue = filled(grown, short("b"))
    Object.assign(grown, { pending: sendQuantum + 1 })
    assert.strictEqual(nameOf(queue.take(true, never)), "b")
    assert.isUndefined(queue.take(true, never))
    assert.deepStrictEqual(all(queue), ["a"])
  })

  it("yields only streams that have an id when none may be opened, of lower priorities too", () => {
    const queue = filled(short("s", 9), long("l", 9), begun("b", 9), begun("low", 1))
    assert.deepStrictEqual(all(queue, false), ["b", "low"])
    assert.strictEqual(queue.size, 2)
    assert.deepStrictEqual(all(queue).toSorted(), ["l", "s"])
  })

  it("yields a stream that was put back before those that wait", () => {
    const queue = filled(begun("a"), begun("b"))
    const first = take(queue)!
    queue.putBack(first)
    assert.strictEqual(queue.size, 2)
    assert.strictEqual(nameOf(take(queue)), "a")
  })

  it("puts back several in their order, when they come last first", () => {
    const queue = filled(begun("a"), begun("b"), begun("c"))
    const taken = [take(queue)!, take(queue)!]
    for (const it of taken.toReversed()) queue.putBack(it)
    assert.deepStrictEqual(all(queue), ["a", "b", "c"])
  })

  it("removes a stream wherever it is, and ignores one that is not queued", () => {
    const streams = [short("s"), long("l"), begun("b"), short("low", -1)]
    const queue = filled(...streams)
    assert.isFalse(queue.remove(short("stranger")))
    assert.strictEqual(queue.size, 4)
    for (const [i, it] of streams.entries()) {
      assert.isTrue(queue.remove(it))
      assert.isFalse(queue.remove(it))
      assert.strictEqual(queue.size, 3 - i)
    }
    assert.isUndefined(take(queue))
  })

  it("finds a stream to remove although it has got an id or has written since it was pushed", () => {
    const item: Item = { name: "x", id: undefined, pending: sendQuantum * 2, priority: 0 }
    const queue = filled(item, short("y"))
    item.id = 8
    item.pending = 1
    queue.remove(item)
    assert.deepStrictEqual(all(queue), ["y"])
  })

  it("is empty after it was drained, and yields what was in it", () => {
    const queue = filled(short("s"), long("l"), begun("b"), begun("low", -4))
    assert.deepStrictEqual(queue.drain().map(nameOf).toSorted(), ["b", "l", "low", "s"])
    assert.strictEqual(queue.size, 0)
    assert.isUndefined(take(queue))
  })

  it("keeps the order through tens of thousands of pushes and takes", () => {
    const queue = new SendQueue<Item>()
    let pushed = 0
    let taken = 0
    for (let round = 0; round < 200; round++) {
      for (let i = 0; i < 300; i++) queue.push(short(`${pushed++}`))
      for (let i = 0; i < 250; i++) assert.strictEqual(nameOf(take(queue)), `${taken++}`)
    }
    while (queue.size > 0) assert.strictEqual(nameOf(take(queue)), `${taken++}`)
    assert.strictEqual(taken, pushed)
  })

  it("loses nothing, yields nothing twice, and never a lower priority before a higher one", () => {
    const operation = fc.record({
      kind: fc.constantFrom("push", "push", "take", "takeBegun", "putBack", "remove"),
      priority: fc.integer({ min: -2, max: 2 }),
      has: fc.boolean(),
      pending: fc.constantFrom(1, sendQuantum, sendQuantum + 1)
    })
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
        const queue = new SendQueue<Item>()
        const inside = new Set<Item>()
        let last: Item | undefined
        for (const [i, { has, kind, pending, priority }] of operations.entries()) {
          if (kind === "push") {
            const item: Item = { name: `${i}`, id: has ? i : undefined, pending, priority }
            queue.push(item)
            inside.add(item)
          } else if (kind === "putBack") {
            if (last === undefined) continue
            queue.putBack(last)
            inside.add(last)
            last = undefined
          } else if (kind === "remove") {
            const item = [...inside][i % Math.max(1, inside.size)]
            if (item === undefined) continue
            queue.remove(item)
            inside.delete(item)
          } else {
            const mayOpen = kind === "take"
            const item = queue.take(mayOpen)
            const eligible = [...inside].filter(({ id }) => mayOpen || id !== undefined)
            if (item === undefined) assert.strictEqual(eligible.length, 0)
            else {
              assert.isTrue(inside.delete(item))
              assert.strictEqual(item.priority, Math.max(...eligible.map(({ priority }) => priority)))
              last = item
            }
          }
          assert.strictEqual(queue.size, inside.size)
        }
        assert.deepStrictEqual(queue.drain().map(nameOf).toSorted(), [...inside].map(({ name }) => name).toSorted())
      })
    )
  })
})
