import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { Inbox } from "../../src/internal/inbox.ts"
import { settle } from "../support/memoryEndpoints.ts"

const inbox = (options: { readonly capacity?: number; readonly byteCapacity?: number } = {}) =>
  new Inbox<number>({ capacity: 10, sizeOf: (item) => item, ...options })

const offerAll = (box: Inbox<number>, ...items: ReadonlyArray<number>) => {
  for (const item of items) box.offer(item)
}

describe("take", () => {
  it.effect("yields items in order, one at a time", () =>
    Effect.gen(function* () {
      const box = inbox()
      offerAll(box, 1, 2, 3)
      assert.deepStrictEqual([yield* box.take, yield* box.take, yield* box.take], [1, 2, 3])
      assert.strictEqual(box.length, 0)
    })
  )

  it.effect("waits for an item", () =>
    Effect.gen(function* () {
      const box = inbox()
      const taker = yield* Effect.forkChild(box.take)
      yield* settle
      assert.isUndefined(taker.pollUnsafe())
      box.offer(1)
      assert.strictEqual(yield* Fiber.join(taker), 1)
    })
  )

  it.effect("gives each of several takers an item, in the order they came", () =>
    Effect.gen(function* () {
      const box = inbox()
      const takers = yield* Effect.forEach([1, 2, 3, 4], () => Effect.forkChild(box.take))
      yield* settle
      offerAll(box, 1, 2)
      yield* settle
      assert.deepStrictEqual(
        takers.map((taker) => taker.pollUnsafe() === undefined),
        [false, false, true, true]
      )
      offerAll(box, 3, 4)
      assert.deepStrictEqual(yield* Fiber.joinAll(takers), [1, 2, 3, 4])
    })
  )

  it.effect("loses nothing when takers are interrupted, before or after they were woken", () =>
    Effect.gen(function* () {
      const box = inbox({ capacity: 1_000 })
      const taken: Array<number> = []
      for (let i = 0; i < 100; i++) {
        const first = yield* Effect.forkChild(box.take)
        const second = yield* Effect.forkChild(box.take)
        yield* settle
        box.offer(i)
        if (i % 2 === 0) yield* Effect.yieldNow
        yield* Fiber.interrupt(first)
        const exit = first.pollUnsafe()
        if (exit?._tag === "Success") {
          taken.push(exit.value)
          yield* Fiber.interrupt(second)
        } else taken.push(yield* Fiber.join(second))
      }
      assert.deepStrictEqual(
        taken,
        Array.from({ length: 100 }, (_, i) => i)
      )
    })
  )

  it.effect("keeps the order over thousands of items", () =>
    Effect.gen(function* () {
      const box = inbox({ capacity: 1e9 })
      let offered = 0
      let expected = 0
      for (let round = 0; round < 50; round++) {
        for (let i = 0; i < 300; i++) box.offer(offered++)
        for (let i = 0; i < 290; i++) assert.strictEqual(yield* box.take, expected++)
      }
      assert.strictEqual(box.length, 500)
      while (box.length > 0) assert.strictEqual(yield* box.take, expected++)
    })
  )
})

describe("the stream", () => {
  it.effect("yields what comes until the inbox ends", () =>
    Effect.gen(function* () {
      const box = inbox()
      const collecting = yield* Effect.forkChild(Stream.runCollect(box.stream))
      yield* settle
      offerAll(box, 1, 2, 3)
      yield* settle
      box.offer(4)
      yield* settle
      box.end()
      assert.deepStrictEqual(yield* Fiber.join(collecting), [1, 2, 3, 4])
    })
  )

  it.effect("shares the items with takers", () =>
    Effect.gen(function* () {
      const box = inbox()
      const collecting = yield* Effect.forkChild(Stream.runCollect(box.stream))
      const all = [1, 2, 3, 4, 5, 6]
      const taken: Array<number> = []
      const noting = yield* Effect.forkChild(
        Effect.forever(Effect.map(box.take, (item) => taken.push(item))).pipe(Effect.ignore)
      )
      yield* settle
      for (const item of all) {
        box.offer(item)
        yield* settle
      }
      box.end()
      const collected = yield* Fiber.join(collecting)
      yield* Fiber.join(noting)
      assert.deepStrictEqual([...collected, ...taken].toSorted(), all)
    })
  )
})

describe("the end", () => {
  it.effect("lets the rest be taken, then fails takers with EndpointStopped and ends streams", () =>
    Effect.gen(function* () {
      const box = inbox()
      offerAll(box, 1, 2)
      box.end()
      assert.strictEqual(yield* box.take, 1)
      assert.deepStrictEqual(yield* Stream.runCollect(box.stream), [2])
      assert.strictEqual((yield* Effect.flip(box.take))._tag, "EndpointStopped")
      assert.deepStrictEqual(yield* Stream.runCollect(box.stream), [])
    })
  )

  it.effect("reaches every taker that waits", () =>
    Effect.gen(function* () {
      const box = inbox()
      const takers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(Effect.flip(box.take)))
      const stream = yield* Effect.forkChild(Stream.runCollect(box.stream))
      yield* settle
      box.end()
      for (const error of yield* Fiber.joinAll(takers)) assert.strictEqual(error._tag, "EndpointStopped")
      assert.deepStrictEqual(yield* Fiber.join(stream), [])
    })
  )

  it("lets nothing more in", () => {
    const box = inbox()
    box.end()
    box.offer(1)
    assert.strictEqual(box.length, 0)
  })
})

describe("room", () => {
  it.effect("ends with the capacity, and returns with each item taken", () =>
    Effect.gen(function* () {
      const box = inbox({ capacity: 2 })
      box.offer(1)
      assert.isTrue(box.hasRoom)
      box.offer(1)
      assert.isFalse(box.hasRoom)
      yield* box.take
      assert.isTrue(box.hasRoom)
    })
  )

  it.effect("ends with the bytes, but one item always fits", () =>
    Effect.gen(function* () {
      const box = inbox({ byteCapacity: 100 })
      assert.isTrue(box.hasRoom)
      box.offer(1_000_000)
      assert.isFalse(box.hasRoom)
      yield* box.take
      offerAll(box, 60, 39)
      assert.isTrue(box.hasRoom)
      box.offer(1)
      assert.isFalse(box.hasRoom)
      yield* box.take
      assert.isTrue(box.hasRoom)
    })
  )

  it.effect("is given to the takers that wait for it one after the other, in the order they came", () =>
    Effect.gen(function* () {
      const box = inbox({ capacity: 2 })
      offerAll(box, 1, 2)
      const admitted: Array<number> = []
      for (const item of [3, 4, 5]) {
        box.onRoom(() => {
          admitted.push(item)
          box.offer(item)
        })
      }
      assert.deepStrictEqual(admitted, [])
      assert.strictEqual(yield* box.take, 1)
      assert.deepStrictEqual(admitted, [3])
      assert.strictEqual(yield* box.take, 2)
      assert.deepStrictEqual(admitted, [3, 4])
      assert.deepStrictEqual([yield* box.take, yield* box.take, yield* box.take], [3, 4, 5])
    })
  )

  it.effect("is given first to the first taker that waits", () =>
    Effect.gen(function* () {
      const inbox = new Inbox<number>({ capacity: 1 })
      inbox.offer(0)
      const order: Array<string> = []
      const waits = (name: string, first: boolean) =>
        inbox.onRoom(() => {
          order.push(name)
          inbox.offer(1)
        }, first)
      waits("a", false)
      waits("b", false)
      waits("c", true)
      for (let i = 0; i < 3; i++) yield* inbox.take
      assert.deepStrictEqual(order, ["c", "a", "b"])
    })
  )

  it.effect("is called once, and again for a taker that waits again", () =>
    Effect.gen(function* () {
      const box = inbox({ capacity: 1 })
      box.offer(1)
      let calls = 0
      box.onRoom(() => (calls += 1))
      yield* box.take
      box.offer(2)
      yield* box.take
      assert.strictEqual(calls, 1)
    })
  )

  it.effect("comes from a stream that takes everything, too", () =>
    Effect.gen(function* () {
      const box = inbox({ capacity: 1 })
      box.offer(1)
      for (const item of [2, 3]) box.onRoom(() => box.offer(item))
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(box.stream, 3)), [1, 2, 3])
    })
  )

  it("comes from remove and from dropOldest", () => {
    const box = inbox({ capacity: 2, byteCapacity: 100 })
    offerAll(box, 70, 40)
    assert.isFalse(box.hasRoom)
    box.remove(70)
    assert.isTrue(box.hasRoom)
    box.offer(50)
    let calls = 0
    box.onRoom(() => (calls += 1))
    box.dropOldest()
    assert.strictEqual(calls, 1)
    assert.strictEqual(box.length, 1)
    box.remove(40)
    assert.strictEqual(box.length, 1)
    box.dropOldest()
    box.dropOldest()
    assert.strictEqual(box.length, 0)
  })
})
