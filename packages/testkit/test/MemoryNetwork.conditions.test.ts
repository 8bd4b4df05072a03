import { IdleTimedOut } from "@qp2p/core/Close"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { MemoryNetwork } from "../src/MemoryNetwork.ts"
import { behind, bindOn, gateway, open, reach } from "./support/hosts.ts"
import {
  address,
  bind,
  connect,
  outcomes,
  type Peer,
  provide,
  ramp,
  sameBytes,
  settle,
  text,
  until
} from "./support/recordingSockets.ts"

const keepAliveInterval = Duration.seconds(20)
const keptAlive = { client: { keepAliveInterval }, server: { keepAliveInterval } }

/** What `near` sends now, to `far`: after how many milliseconds each message is there, or -1 if it is not in a minute. */
const timesOf = Effect.fnUntraced(function* (ways: ReadonlyArray<readonly [Peer, Peer]>) {
  const before = ways.map(([, far]) => far.streams.length)
  for (const [near] of ways) near.send(text("!"))
  yield* settle
  const times = ways.map(() => -1)
  for (let time = 0; time < 100; time++) {
    for (const [index, [, far]] of ways.entries()) {
      if (times[index] === -1 && far.streams.length > before[index]!) times[index] = time
    }
    yield* TestClock.adjust("1 millis")
  }
  return times
})

/** Sockets 10.0.0.1:1, 10.0.0.1:2 and 10.0.0.2:1, each of the first two connected with the third. */
const three = Effect.gen(function* () {
  const [a1, a2, b] = [yield* bind("10.0.0.1:1"), yield* bind("10.0.0.1:2"), yield* bind("10.0.0.2:1")]
  const [near1, near2] = [yield* reach(a1, "10.0.0.2:1"), yield* reach(a2, "10.0.0.2:1")]
  const [far1, far2] = b.accepted
  return { there: [near1!, far1!], back: [far1!, near1!], other: [near2!, far2!] } as const
})

describe("setLatency", () => {
  it.effect("is of one direction, a socket's before its host's before everybody's, and the latest counts", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const { back, other, there } = yield* three
      const measured = [yield* timesOf([there, back, other])]
      const change = Effect.fnUntraced(function* (...args: Parameters<typeof network.setLatency>) {
        yield* network.setLatency(...args)
        measured.push(yield* timesOf([there, back, other]))
      })
      yield* change("10 millis", { from: "10.0.0.1:1" })
      yield* change("20 millis", { from: "10.0.0.1" })
      yield* change("30 millis")
      yield* change("40 millis", { to: "10.0.0.2" })
      yield* change("50 millis", { from: address("10.0.0.1:1"), to: "10.0.0.2:1" })
      yield* change("60 millis", { from: "10.0.0.1" })
      yield* change("5 millis")
      assert.deepStrictEqual(measured, [
        [0, 0, 0],
        [10, 0, 0],
        [10, 0, 20],
        [10, 30, 20],
        [10, 30, 40],
        [50, 30, 40],
        [50, 30, 60],
        [50, 5, 60]
      ])
    }).pipe(provide)
  )

  it.effect("is for packets sent from now on, and does not have them overtake those before", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const { far, near } = yield* connect()
      yield* network.setLatency("50 millis")
      const send = near.connection.openUni(0)
      near.write(send, text("a"), false)
      yield* network.setLatency("10 millis")
      near.write(send, text("b"), false)
      yield* TestClock.adjust("49 millis")
      assert.strictEqual(far.streams.length, 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(far.streams[0]!.text, "ab")
      near.write(send, text("c"), true)
      yield* TestClock.adjust("10 millis")
      assert.strictEqual(far.streams[0]!.text, "abc")
    }).pipe(provide)
  )

  it.effect("does not take what is no address", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      for (const wrong of [
        network.setLatency("1 second", { from: "nowhere" }),
        network.setLatency("1 second", { to: "10.0.0.1:65536" }),
        network.setBandwidth(1, { to: "nowhere" }),
        network.partition("10.0.0.1", ["10.0.0.2", "nowhere"]),
        network.partitionOneWay("nowhere", "10.0.0.1"),
        network.mend("10.0.0.1", "nowhere"),
        network.blackhole(["nowhere"])
      ]) {
        assert.strictEqual((yield* Effect.flip(wrong))._tag, "NetAddressError")
      }
    }).pipe(provide)
  )
})

describe("setBandwidth", () => {
  it.effect("has bytes arrive as fast as the way is wide, and no faster", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const { far, near } = yield* connect()
      yield* network.setLatency("10 millis")
      yield* network.setBandwidth(120_000, { from: "10.0.0.1" })
      const sent = ramp(60_000)
      const { done, results } = outcomes()
      near.connection.openUni(0).write(sent, true, done)
      yield* settle
      // 1,200 bytes a packet, one every 10 milliseconds.
      const lengths: Array<number> = []
      for (const time of [19, 1, 9, 1, 79, 1]) {
        yield* TestClock.adjust(time)
        lengths.push(far.streams[0]?.length ?? 0)
      }
      assert.deepStrictEqual(lengths, [0, 1_200, 1_200, 2_400, 10 * 1_200 - 1_200, 12_000])
      // Half a second for all of it, and back again for the acknowledgement, which weighs nothing.
      yield* TestClock.adjust("399 millis")
      assert.strictEqual(far.streams[0]!.length, 58_800)
      yield* TestClock.adjust("1 millis")
      assert.isTrue(sameBytes(far.streams[0]!.bytes, sent))
      yield* TestClock.adjust("9 millis")
      assert.deepStrictEqual(results, [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(results, ["done"])
    }).pipe(provide)
  )

  it.effect("is each pair of sockets' own, whose connections and streams share it", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const { other, there } = yield* three
      yield* network.setBandwidth(120_000, { to: "10.0.0.2" })
      const [near, far] = there
      const [otherNear, otherFar] = other
      near.send(ramp(6_000))
      near.send(ramp(6_000))
      otherNear.send(ramp(6_000))
      yield* settle
      yield* TestClock.adjust("50 millis")
      assert.deepStrictEqual([far.streams.length, far.streams[0]!.length], [1, 6_000])
      assert.deepStrictEqual(otherFar.streams[0]!.ends, [undefined])
      yield* TestClock.adjust("50 millis")
      assert.strictEqual(far.streams[1]!.length, 6_000)
    }).pipe(provide)
  )

  it.effect("is a socket's before its host's before everybody's, and the latest counts", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const { back, other, there } = yield* three
      const measured: Array<ReadonlyArray<number>> = []
      const change = Effect.fnUntraced(function* (...args: Parameters<typeof network.setBandwidth>) {
        yield* network.setBandwidth(...args)
        // Each sends a byte.
        measured.push(yield* timesOf([there, back, other]))
      })
      yield* change(100, { from: "10.0.0.1:1" })
      yield* change(50, { from: "10.0.0.1" })
      yield* change(25)
      yield* change(Number.POSITIVE_INFINITY, { from: "10.0.0.1:1", to: "10.0.0.2:1" })
      yield* change(20)
      assert.deepStrictEqual(measured, [
        [10, 0, 0],
        [10, 0, 20],
        [10, 40, 20],
        [0, 40, 20],
        [0, 50, 20]
      ])
    }).pipe(provide)
  )

  it.effect("is for packets sent from now on: what waits still does", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const { far, near } = yield* connect()
      yield* network.setBandwidth(120_000)
      near.send(ramp(12_000))
      yield* settle
      yield* network.setLatency("1 millis", { from: "10.0.0.3" })
      yield* network.setBandwidth(1_200_000)
      near.send(ramp(12_000))
      yield* settle
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(
        far.streams.map(({ length }) => length),
        [12_000]
      )
      yield* TestClock.adjust("9 millis")
      assert.strictEqual(far.streams[1]!.length, 10_800)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(far.streams[1]!.length, 12_000)
    }).pipe(provide)
  )
})

describe("partitionOneWay", () => {
  it.effect("lets packets through the other way, until both ends hear nothing that they could answer", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const { far, near } = yield* connect()
      yield* network.partitionOneWay("10.0.0.1:1", "10.0.0.2:2")
      const [there, back] = [near.send(text("there")), far.send(text("back"))]
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual([near.streams.map((stream) => stream.text), far.streams], [["back"], []])
      // It has arrived, and the sender cannot know.
      assert.deepStrictEqual([there.results, back.results], [[], []])
      yield* TestClock.adjust("49999 millis")
      assert.deepStrictEqual([near.closes, far.closes], [[], []])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual([near.closes, far.closes], [[new IdleTimedOut()], [new IdleTimedOut()]])
    }).pipe(provide)
  )

  it.effect("ends connections that are kept alive by idle timeout, first where nothing comes", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const { far, near } = yield* connect(keptAlive)
      yield* network.partitionOneWay("10.0.0.1", "10.0.0.2")
      yield* TestClock.adjust("59999 millis")
      assert.deepStrictEqual([near.closes, far.closes], [[], []])
      yield* TestClock.adjust("1 millis")
      // The near end has heard the far one's pings, about 20 and 40 seconds after the cut.
      assert.deepStrictEqual([near.closes, far.closes], [[], [new IdleTimedOut()]])
      yield* TestClock.adjust("35 seconds")
      assert.deepStrictEqual(near.closes, [])
      yield* TestClock.adjust("15 seconds")
      assert.deepStrictEqual(near.closes, [new IdleTimedOut()])
    }).pipe(provide)
  )

  it.effect("keeps dials from being answered, from whichever side", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const { client, server } = yield* connect()
      yield* network.partitionOneWay("10.0.0.1:1", "10.0.0.2:2")
      const dials = [client.dial(address("10.0.0.2:2")), server.dial(address("10.0.0.1:1"))]
      yield* TestClock.adjust("9 seconds")
      assert.deepStrictEqual(
        dials.map(({ connected }) => connected.length),
        [0, 0]
      )
      yield* network.mend("10.0.0.2:2", "10.0.0.1:1")
      yield* until(() => dials.every(({ connected }) => connected.length === 1))
    }).pipe(provide)
  )
})

describe("partition", () => {
  it.effect("cuts groups and hosts from each other, and no host within them", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const places = ["10.0.0.1:1", "10.0.0.1:2", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"]
      const sockets = yield* Effect.forEach(places, (place) => bind(place))
      yield* network.partition(["10.0.0.1", address("10.0.0.2:1")], ["10.0.0.3", "10.0.0.4:1"])
      const dials = sockets.flatMap((socket, from) =>
        places.flatMap((place, to) => (from === to ? [] : [{ from, to, ...socket.dial(address(place)) }]))
      )
      yield* settle
      const groupOf = (index: number) => (index < 3 ? 1 : 2)
      for (const { connected, from, to } of dials) {
        assert.strictEqual(connected.length === 1, groupOf(from) === groupOf(to), `${places[from]} to ${places[to]}`)
      }
    }).pipe(provide)
  )

  it.effect("is undone for those that are mended, and heal undoes the rest, blackholes and refusals too", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const hub = yield* bind("10.0.0.9:9")
      const others = yield* Effect.forEach([1, 2, 3, 4, 5], (n) => bind(`10.0.0.${n}:1`))
      yield* network.partition(["10.0.0.1", "10.0.0.2"], "10.0.0.9:9")
      yield* network.partitionOneWay("10.0.0.9", "10.0.0.3:1")
      yield* network.blackhole(["10.0.0.4"])
      const connected = () => others.map(({ dialled }) => dialled.length)
      for (const { dial } of others) dial(hub.socket.address)
      yield* settle
      assert.deepStrictEqual(connected(), [0, 0, 0, 0, 1])
      // Names other than those of the partition, and a blackhole, are not mended by this.
      yield* network.mend("10.0.0.1:1", "10.0.0.9:9")
      yield* network.mend("10.0.0.9", "10.0.0.4")
      yield* settle
      assert.deepStrictEqual(connected(), [0, 0, 0, 0, 1])
      yield* network.mend("10.0.0.9:9", "10.0.0.1")
      yield* settle
      assert.deepStrictEqual(connected(), [1, 0, 0, 0, 1])
      yield* network.refuse("10.0.0.9")
      const refused = others[4]!.dial(hub.socket.address)
      yield* settle
      assert.strictEqual(refused.failed.length, 1)
      yield* network.heal
      yield* settle
      assert.deepStrictEqual(connected(), [1, 1, 1, 1, 1])
      others[4]!.dial(hub.socket.address)
      yield* settle
      assert.deepStrictEqual(connected(), [1, 1, 1, 1, 2])
    }).pipe(provide)
  )

  it.effect("counts what was on its way when it came about", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const { far, near } = yield* connect()
      yield* network.setLatency("50 millis")
      near.send(text("too late"))
      yield* TestClock.adjust("20 millis")
      yield* network.partition("10.0.0.1", "10.0.0.2")
      yield* TestClock.adjust("30 millis")
      assert.deepStrictEqual([far.streams.length, near.connection.stats().packetsLost], [0, 1])
    }).pipe(provide)
  )
})

describe("what a gateway keeps back", () => {
  const scene = Effect.gen(function* () {
    const home = yield* gateway({ address: "203.0.113.1" })
    const inside = yield* bindOn(behind(home, "192.168.1.2"), 4433)
    const peer = yield* bindOn(open("198.51.100.1"), 1)
    return { inside, peer }
  })

  it.effect("is sent again after 1 second, 2, 4 and 8, until it gets through", () =>
    Effect.gen(function* () {
      const { inside, peer } = yield* scene
      const { connected } = peer.dial(address("203.0.113.1:4433"))
      yield* TestClock.adjust("6999 millis")
      // Sent in the beginning, after 1 second and after 3. The dial inside opens the gateway.
      assert.isDefined(yield* reach(inside, "198.51.100.1:1"))
      assert.strictEqual(connected.length, 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(connected.length, 1)
    }).pipe(provide)
  )

  it.effect("waits for a second again after something got through", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork
      const { far, near } = yield* connect()
      const lose = Effect.fnUntraced(function* (message: string) {
        yield* network.partition("10.0.0.1", "10.0.0.2")
        near.send(text(message))
        yield* settle
        // Not by `mend` or `heal`, which have everything sent again at once.
        network.wire.conditions.heal()
        yield* TestClock.adjust("999 millis")
        const before = far.streams.length
        yield* TestClock.adjust("1 millis")
        return [before, far.streams.length]
      })
      assert.deepStrictEqual(yield* lose("a"), [0, 1])
      assert.deepStrictEqual(yield* lose("b"), [1, 2])
    }).pipe(provide)
  )
})
