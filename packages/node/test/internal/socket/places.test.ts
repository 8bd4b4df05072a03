import { assert, describe, it } from "@effect/vitest"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import { Places } from "../../../src/internal/socket/places.ts"
import { ConnectionTable } from "../../../src/internal/socket/connectionTable.ts"
import { evictableIdle } from "../../../src/internal/tunables/places.ts"

class Occupant {
  isUsed = false
  holdsMessages = false
  isAwaited = false
  streamWork = 0
  /** How often the socket has looked at it to choose one. */
  looks = 0
  readonly closes: Array<number> = []
  readonly ipGroup: string
  readonly dialled: boolean

  constructor(ipGroup: string, dialled: boolean) {
    this.ipGroup = ipGroup
    this.dialled = dialled
  }

  close(code: number): void {
    this.closes.push(code)
  }
}

/** A socket for so many connections. */
const setup = (maxConnections: number) => {
  const table = new ConnectionTable<Occupant>()
  const evicted: Array<Occupant> = []
  const places = new Places<Occupant>({ table, maxConnections, onEvicted: (connection) => evicted.push(connection) })
  let count = 0
  /** A peer begins a handshake. */
  const begin = (ip: string, dialled = false): Occupant => {
    const connection = new Occupant(ip, dialled)
    count += 1
    table.add(connection, { host: ip, port: count, ip, keys: [`${count}`], dialled })
    return connection
  }
  const join = (ip: string, dialled = false): Occupant => {
    const connection = begin(ip, dialled)
    if (!dialled) assert.isTrue(places.add(connection, 0))
    return connection
  }
  return { begin, evicted, join, places, table }
}

describe("a full socket", () => {
  it("takes the place of the oldest unused connection of the IP address that has the most of them", () => {
    const { evicted, join, places } = setup(10)
    const few = [join("192.0.2.1"), join("192.0.2.1")]
    const many = Array.from({ length: 3 }, () => join("192.0.2.2"))
    const honest = join("192.0.2.3")
    assert.isTrue(places.evict(0))
    assert.deepStrictEqual(evicted, [many[0]])
    assert.deepStrictEqual(many[0]!.closes, [ErrorCode.evicted])
    // The addresses with two come in the order in which they came to have two, and then those with one.
    for (let i = 0; i < 5; i++) assert.isTrue(places.evict(0))
    assert.deepStrictEqual(evicted.slice(1), [few[0], many[1], honest, few[1], many[2]])
    assert.isFalse(places.evict(0))
  })

  it("takes a place only for a connection whose handshake is complete, and lets few others begin one", () => {
    const { begin, evicted, join, places, table } = setup(20)
    const honest = Array.from({ length: 18 }, () => join("192.0.2.1"))
    assert.isTrue(places.isFullForPeers && places.canEvict(0))
    const pending = [begin("192.0.2.2"), begin("192.0.2.2")]
    for (const each of pending) places.addPending(each)
    assert.isTrue(places.isFullForPeers)
    assert.isFalse(places.canEvict(0))
    // The places for dials of this side are not theirs.
    assert.isFalse(places.isFull)
    places.delete(pending[0]!)
    table.end(pending[0]!)
    assert.isTrue(places.canEvict(0))
    assert.deepStrictEqual(evicted, [])
    assert.isTrue(places.add(pending[1]!, 0))
    assert.deepStrictEqual(evicted, [honest[0]])
    assert.strictEqual(table.accepted, 18)
    // One that finds a place when its handshake is complete takes that of no other.
    const last = begin("192.0.2.3")
    places.addPending(last)
    table.end(honest[1]!)
    places.delete(honest[1]!)
    assert.isTrue(places.add(last, 0))
    assert.strictEqual(evicted.length, 1)
  })

  it("has no place for a connection that others have become busy for meanwhile", () => {
    const { begin, evicted, join, places } = setup(1)
    const only = join("192.0.2.1")
    assert.isTrue(places.canEvict(0))
    const late = begin("192.0.2.2")
    places.addPending(late)
    only.isUsed = true
    assert.isFalse(places.add(late, 0))
    assert.deepStrictEqual(evicted, [])
  })

  it("leaves connections that are in use, and those that hold messages", () => {
    const { evicted, join, places } = setup(10)
    const [used, holding, unused] = [join("192.0.2.1"), join("192.0.2.1"), join("192.0.2.2")]
    used.isUsed = true
    holding.holdsMessages = true
    assert.isTrue(places.canEvict(0))
    assert.isTrue(places.evict(0))
    assert.deepStrictEqual(evicted, [unused])
    assert.isFalse(places.canEvict(0))
    assert.isFalse(places.evict(evictableIdle - 1))
    assert.deepStrictEqual(evicted, [unused])
  })

  it("takes the place of the used connection that is idle for the longest time, if that is long enough", () => {
    const { evicted, join, places } = setup(10)
    const [first, second, third] = [join("192.0.2.1"), join("192.0.2.2"), join("192.0.2.3")]
    for (const connection of [first, second, third]) {
      connection.isUsed = true
      places.tick(connection, 0)
    }
    first.streamWork = 1
    places.tick(first, 5_000)
    assert.isFalse(places.evict(evictableIdle - 1))
    // Something has passed on the second since the last sweep, and the third waits for its peer.
    second.streamWork = 1
    third.isAwaited = true
    assert.isFalse(places.evict(evictableIdle))
    assert.isTrue(places.evict(evictableIdle + 5_000))
    assert.deepStrictEqual(evicted, [first])
    third.isAwaited = false
    assert.isFalse(places.evict(2 * evictableIdle - 1))
    assert.isTrue(places.evict(2 * evictableIdle))
    assert.deepStrictEqual(evicted, [first, second])
  })

  it("has its place at once, and counts a connection that has to go no more", () => {
    const { join, places, table } = setup(2)
    join("192.0.2.1")
    assert.isFalse(places.isFullForPeers)
    join("192.0.2.2")
    assert.deepStrictEqual([places.isFullForPeers, places.isFull], [true, true])
    places.evict(0)
    assert.deepStrictEqual([places.isFullForPeers, places.isFull, table.open], [false, false, 1])
  })

  it("keeps a tenth of the places for its own dials, and no dialled connection gives up its place", () => {
    const { evicted, join, places } = setup(100)
    for (let i = 0; i < 90; i++) {
      assert.isFalse(places.isFullForPeers)
      join("192.0.2.1")
    }
    assert.deepStrictEqual([places.isFullForPeers, places.isFull], [true, false])
    for (let i = 0; i < 10; i++) {
      assert.isFalse(places.isFull)
      places.tick(join("192.0.2.2", true), 0)
    }
    assert.isTrue(places.isFull)
    while (places.evict(10 * evictableIdle));
    assert.lengthOf(evicted, 90)
    assert.isFalse(evicted.some(({ dialled }) => dialled))
  })

  it("forgets connections that have ended", () => {
    const { evicted, join, places } = setup(10)
    const [unused, used] = [join("192.0.2.1"), join("192.0.2.1")]
    used.isUsed = true
    places.tick(used, 0)
    places.delete(unused)
    places.delete(used)
    assert.isFalse(places.evict(10 * evictableIdle))
    assert.deepStrictEqual(evicted, [])
  })

  it("looks at each of 10,000 connections once in the time after which they may be idle, not for each that dials", () => {
    const { join, places } = setup(10_000)
    let looks = 0
    for (let i = 0; i < 10_000; i++) {
      const connection = join(`192.0.2.${i % 10}`)
      Object.defineProperty(connection, "isUsed", { get: () => (looks += 1) > 0 })
      Object.defineProperty(connection, "isAwaited", { get: () => (looks += 1) > 0 })
    }
    for (const now of [0, evictableIdle]) {
      looks = 0
      for (let i = 0; i < 1_000; i++) assert.isFalse(places.evict(now))
      assert.strictEqual(looks, 10_000)
    }
  })
})
