import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { FairInbox } from "../../src/internal/fairInbox.ts"
import type { Lane } from "../../src/internal/lane.ts"
import { settle } from "../support/memoryEndpoints.ts"

interface Item {
  readonly from: string
  readonly number: number
  readonly bytes: number
}

const inbox = (options: { readonly capacity?: number; readonly byteCapacity?: number } = {}) =>
  new FairInbox<Item>({ capacity: 1_000_000, byteCapacity: Infinity, sizeOf: ({ bytes }) => bytes, ...options })

const offer = (lane: Lane<Item>, count: number, bytes = 1): void => {
  for (let number = 0; number < count; number++) lane.offer({ from: lane.peer, number, bytes })
}

/** Offers as much as there is room for. Returns the number of items. */
const fill = (lane: Lane<Item>, bytes = 1): number => {
  let count = 0
  for (; lane.hasRoom; count++) lane.offer({ from: lane.peer, number: count, bytes })
  return count
}

/** Takes everything. Returns from whom the items were. */
const order = (box: FairInbox<Item>): ReadonlyArray<string> => {
  const from: Array<string> = []
  while (box.length > 0) from.push(box.shift().from)
  return from
}

/** A producer that offers one item as soon as there is room, and then waits for room again, up to `count` times. */
const producer = (lane: Lane<Item>, count: number, made: Array<string>): void => {
  if (count === 0) return
  lane.onRoom(() => {
    if (!lane.hasRoom) return producer(lane, count, made)
    made.push(lane.peer)
    lane.offer({ from: lane.peer, number: count, bytes: 1 })
    producer(lane, count - 1, made)
  })
}

describe("the order", () => {
  it("of one peer's items is that in which they came", () => {
    const box = inbox()
    const lane = box.lane("192.0.2.1", "a")
    offer(lane, 5_000)
    for (let number = 0; number < 5_000; number++) assert.strictEqual(box.shift().number, number)
  })

  it("serves a peer's item within 16 of those of an address that has sent thousands before", () => {
    const box = inbox()
    offer(box.lane("192.0.2.1", "flooder"), 10_000)
    for (let round = 0; round < 100; round++) {
      offer(box.lane("192.0.2.2", "honest"), 1)
      let waited = 0
      while (box.shift().from !== "honest") waited += 1
      assert.isAtMost(waited, 16)
    }
  })

  it("does not depend on how many keys an address has", () => {
    const box = inbox()
    for (let key = 0; key < 500; key++) offer(box.lane("192.0.2.1", `key ${key}`), 20)
    offer(box.lane("192.0.2.2", "honest"), 20)
    assert.isBelow(order(box).lastIndexOf("honest"), 64)
  })

  it("serves the peers of one address in turn, too", () => {
    const box = inbox()
    offer(box.lane("192.0.2.1", "flooder"), 10_000)
    offer(box.lane("192.0.2.1", "honest"), 20)
    assert.isBelow(order(box).lastIndexOf("honest"), 64)
  })

  it("counts bytes, so that long items take turns from their sender and from no other", () => {
    const box = inbox()
    offer(box.lane("192.0.2.1", "long"), 1_000, 100_000)
    offer(box.lane("192.0.2.2", "short"), 1_000, 10)
    const served = order(box)
    const first = served.slice(0, served.lastIndexOf("short"))
    assert.isAtMost(first.filter((from) => from === "long").length, 20)
    assert.lengthOf(served, 2_000)
  })
})

describe("a sender of long items that has one at a time", () => {
  for (const [name, ip] of [
    ["another address", "192.0.2.2"],
    ["the same address", "192.0.2.1"]
  ] as const) {
    it(`pays for each of them beside a peer at ${name}, although it leaves the ring in between`, () => {
      const box = inbox()
      const long = box.lane("192.0.2.1", "long")
      offer(box.lane(ip, "short"), 10_000)
      let served = 0
      for (let i = 0; i < 4_000; i++) {
        const { from } = box.shift()
        if (from === "long") served += 1
        // The sender has left the ring when an item of another one is served.
        else if (long.length === 0) offer(long, 1, 256 * 1_024)
      }
      assert.isAtLeast(served, 10)
      assert.isAtMost(served, 20)
    })
  }

  it("owes nothing for items that it was served while nobody else waited", () => {
    const box = inbox()
    const long = box.lane("192.0.2.1", "long")
    for (let i = 0; i < 10; i++) {
      offer(long, 1, 256 * 1_024)
      assert.lengthOf(box.shiftAll(), 1)
    }
    offer(box.lane("192.0.2.2", "short"), 1_000)
    offer(long, 1, 1)
    assert.isBelow(order(box).indexOf("long"), 16)
  })
})

describe("a stream", () => {
  it.effect("takes no more than a batch at once, so that a later peer's item is not behind thousands", () =>
    Effect.gen(function* () {
      const box = inbox()
      const flooder = box.lane("192.0.2.1", "flooder")
      offer(flooder, 10_000)
      const served: Array<string> = []
      const reading = yield* Effect.forkChild(
        Stream.runForEach(box.stream, ({ from }) =>
          Effect.sync(() => {
            // The honest peer's message comes while the first one is worked off.
            if (served.push(from) === 1) offer(box.lane("192.0.2.2", "honest"), 1)
          })
        )
      )
      yield* settle
      box.end()
      yield* Fiber.join(reading)
      assert.lengthOf(served, 10_001)
      assert.isAtMost(served.indexOf("honest"), 100)
    })
  )
})

describe("room", () => {
  it("is a third of the whole for one peer, so that there is some for every other address", () => {
    const box = inbox({ capacity: 9_999 })
    assert.strictEqual(fill(box.lane("192.0.2.1", "first")), 3_333)
    assert.strictEqual(fill(box.lane("192.0.2.2", "second")), 2_222)
    assert.isTrue(box.lane("192.0.2.3", "third").hasRoom)
  })

  it("is at most half for one address, whatever keys it has", () => {
    const box = inbox({ capacity: 10_000 })
    for (let key = 0; key < 1_000; key++) fill(box.lane("192.0.2.1", `key ${key}`))
    assert.isAtMost(box.length, 5_000)
    assert.isAtLeast(fill(box.lane("192.0.2.2", "honest")), 1_000)
  })

  it("never exceeds the whole, however many addresses there are", () => {
    const box = inbox({ capacity: 1_000 })
    for (let ip = 0; ip < 5_000; ip++) fill(box.lane(`192.0.2.${ip}`, "one"))
    assert.isAtMost(box.length, 1_000)
  })

  it("is bounded in bytes in the same way, and an empty queue takes an item of any size", () => {
    const box = inbox({ byteCapacity: 9_000 })
    const lane = box.lane("192.0.2.1", "first")
    assert.strictEqual(fill(lane, 100), 30)
    assert.strictEqual(fill(box.lane("192.0.2.2", "second"), 100), 20)
    order(box)
    assert.strictEqual(fill(lane, 1_000_000), 1)
    assert.isFalse(box.lane("192.0.2.2", "second").hasRoom)
  })

  it("goes to the producers that wait, in the order they came, as items are taken", () => {
    const box = inbox({ capacity: 3 })
    const lane = box.lane("192.0.2.1", "a")
    fill(lane)
    const called: Array<number> = []
    for (const number of [1, 2, 3]) lane.onRoom(() => called.push(number))
    assert.deepStrictEqual([box.waiting, called], [3, []])
    box.shift()
    assert.deepStrictEqual([box.waiting, called], [0, [1, 2, 3]])
  })

  it("goes to a peer that waits although another has thousands of producers that waited before", () => {
    const box = inbox({ capacity: 90 })
    const made: Array<string> = []
    const [flooder, honest] = [box.lane("192.0.2.1", "flooder"), box.lane("192.0.2.2", "honest")]
    fill(flooder)
    for (let i = 0; i < 5_000; i++) producer(flooder, 1, made)
    fill(honest)
    producer(honest, 10, made)
    for (let i = 0; i < 200; i++) box.shift()
    assert.lengthOf(
      made.filter((from) => from === "honest"),
      10
    )
  })

  it("leaves no producer waiting once everything is taken", () => {
    for (const capacity of [1, 2, 3, 10, 1_000]) {
      const box = inbox({ capacity })
      const made: Array<string> = []
      for (let ip = 0; ip < 7; ip++) {
        for (let key = 0; key < 5; key++) producer(box.lane(`192.0.2.${ip}`, `${key}`), 20, made)
      }
      // A producer waits only for as long as something is queued.
      box.lane("192.0.2.99", "first").offer({ from: "first", number: 0, bytes: 1 })
      let most = 0
      while (box.length > 0) {
        most = Math.max(most, box.length)
        box.shift()
      }
      assert.deepStrictEqual([box.waiting, made.length], [0, 7 * 5 * 20])
      assert.isAtMost(most, capacity)
    }
  })

  it("that a producer does not use leaves no other waiting", () => {
    const box = inbox({ capacity: 1 })
    box.lane("192.0.2.1", "a").offer({ from: "a", number: 0, bytes: 1 })
    const called: Array<string> = []
    for (const ip of ["192.0.2.1", "192.0.2.2", "192.0.2.3"]) {
      for (const key of ["x", "x", "y", "y"]) box.lane(ip, key).onRoom(() => called.push(`${ip} ${key}`))
    }
    box.shift()
    assert.lengthOf(called, 12)
  })

  it("is not given to a producer that has stopped waiting", () => {
    const box = inbox({ capacity: 1 })
    const lane = box.lane("192.0.2.1", "a")
    fill(lane)
    const called: Array<string> = []
    const wait = lane.onRoom(() => called.push("first"))
    lane.onRoom(() => called.push("second"))
    lane.cancelRoom(wait)
    lane.cancelRoom(wait)
    assert.strictEqual(box.waiting, 1)
    box.shift()
    assert.deepStrictEqual(called, ["second"])
  })

  it("returns with items that are removed", () => {
    const box = inbox({ capacity: 4 })
    const lane = box.lane("192.0.2.1", "a")
    fill(lane)
    const called: Array<string> = []
    box.lane("192.0.2.1", "b").onRoom(() => called.push("b"))
    const before = box.length
    lane.removeAll(() => true)
    assert.deepStrictEqual([before > 0, box.length, called], [true, 0, ["b"]])
    offer(box.lane("192.0.2.2", "c"), 1)
    assert.strictEqual(box.shift().from, "c")
  })
})

describe("what waits beyond the capacity", () => {
  it("keeps out its own address, and no other", () => {
    const box = inbox({ capacity: 10 })
    const flooder = box.lane("192.0.2.1", "flooder")
    for (let i = 0; i <= 10; i++) {
      assert.isFalse(box.isOverrunBy("192.0.2.1"))
      flooder.onRoom(() => {})
    }
    assert.isTrue(box.isOverrunBy("192.0.2.1"))
    assert.isFalse(box.isOverrunBy("192.0.2.2"))
  })

  it("in bytes that are kept after the end of their streams keeps everybody out over twice the capacity", () => {
    const box = inbox({ byteCapacity: 100 })
    const flooder = box.lane("192.0.2.1", "flooder")
    flooder.keep(101)
    assert.deepStrictEqual([box.isOverrunBy("192.0.2.1"), box.isOverrunBy("192.0.2.2")], [true, false])
    flooder.keep(100)
    assert.isTrue(box.isOverrunBy("192.0.2.2"))
    flooder.keep(-201)
    assert.isFalse(box.isOverrunBy("192.0.2.1"))
  })
})

it("the lane of a peer is forgotten when its last connection has ended and its items are taken", () => {
  const box = inbox()
  const lane = box.lane("192.0.2.1", "a")
  assert.strictEqual(box.lane("192.0.2.1", "a"), lane)
  offer(lane, 2)
  lane.release()
  lane.release()
  assert.strictEqual(box.lane("192.0.2.1", "a"), lane)
  lane.release()
  order(box)
  assert.notStrictEqual(box.lane("192.0.2.1", "a"), lane)
})

/** The number of lanes and groups that a queue refers to, in each place. */
const kept = (box: FairInbox<Item>) => {
  const [groups, ring, waiting] = [box["groups"], box["ring"]["members"], box["waitingGroups"]]
  const all = [...groups.values()]
  const sum = (count: (group: (typeof all)[number]) => number) => all.reduce((total, group) => total + count(group), 0)
  return {
    groups: groups.size,
    ring: ring.length,
    waiting: waiting.length,
    lanes: sum((group) => group.lanes.size),
    rings: sum((group) => group.ring["members"].length),
    waitingLanes: sum((group) => group["waitingLanes"].length)
  }
}

describe("peers that leave while nothing is taken", () => {
  const full = () => {
    const box = inbox({ capacity: 4 })
    const holder = box.lane("192.0.2.1", "holder")
    fill(holder)
    fill(box.lane("192.0.2.2", "holder"))
    return { box, before: kept(box) }
  }

  for (const [name, ipOf] of [
    ["one address", () => "192.0.2.1"],
    ["many addresses", (i: number) => `198.51.100.${i}`]
  ] as const) {
    it(`leave nothing behind: streams that wait, of 1,000 keys at ${name}`, () => {
      const { before, box } = full()
      for (let i = 0; i < 1_000; i++) {
        const lane = box.lane(ipOf(i), `peer ${i}`)
        const wait = lane.onRoom(() => {})
        lane.cancelRoom(wait)
        lane.release()
      }
      assert.deepStrictEqual(kept(box), before)
    })

    it(`leave nothing behind: items that end with their connections, of 1,000 keys at ${name}`, () => {
      const { before, box } = full()
      for (let i = 0; i < 1_000; i++) {
        const lane = box.lane(ipOf(i), `peer ${i}`)
        offer(lane, 1)
        lane.removeAll(() => true)
        lane.release()
      }
      assert.deepStrictEqual(kept(box), before)
    })
  }

  it("take no turn from those that stay", () => {
    const { box } = full()
    const called: Array<string> = []
    const lanes = ["a", "b", "c"].map((peer) => box.lane("192.0.2.9", peer))
    const waits = lanes.map((lane) => lane.onRoom(() => called.push(lane.peer)))
    lanes[1]!.cancelRoom(waits[1]!)
    lanes[1]!.release()
    order(box)
    assert.deepStrictEqual(called, ["a", "c"])
    assert.strictEqual(box.waiting, 0)
  })

  it("may leave because another gets room", () => {
    const { box } = full()
    const called: Array<string> = []
    const lanes = ["192.0.2.8", "192.0.2.9", "192.0.2.10"].map((ip) => box.lane(ip, "peer"))
    const waits = lanes.map((lane) =>
      lane.onRoom(() => {
        called.push(lane.group.ip)
        for (const [i, other] of lanes.entries()) {
          other.cancelRoom(waits[i]!)
          other.release()
        }
      })
    )
    order(box)
    assert.lengthOf(called, 1)
    assert.deepStrictEqual([box.waiting, box["waitingGroups"].length], [0, 0])
  })
})
