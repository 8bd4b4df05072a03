/**
 * The network by itself, with datagrams sent by hand: without QUIC, `TestClock` drives it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as TestClock from "effect/testing/TestClock"
import * as Latency from "../src/Latency.ts"
import * as SimulatedNetwork from "../src/SimulatedNetwork.ts"
import { address, ramp, settle } from "./support/recordingSockets.ts"

type Network = SimulatedNetwork.SimulatedNetwork["Service"]

/** A socket that notes what comes, and from where. */
const open = Effect.fnUntraced(function* (network: Network, local: string) {
  const socket = yield* network.openSocket(address(local))
  const [reader, writer] = [yield* socket.reader, yield* socket.writer]
  const received: Array<{ readonly from: string; readonly payload: Uint8Array }> = []
  const take = Effect.map(reader.pull, (datagrams) => {
    for (const { address, payload } of datagrams) received.push({ from: NetAddress.formatInet(address), payload })
  })
  yield* Effect.forkScoped(Effect.forever(take))
  return {
    address: NetAddress.formatInet(reader.address),
    reader,
    received,
    send: (payload: Uint8Array, to: string) => writer.write({ payload, address: address(to) })
  }
})

/** Sockets at 10.0.0.1:1 and 10.0.0.2:2. */
const scene = (options?: SimulatedNetwork.Options) =>
  Effect.gen(function* () {
    const network = yield* SimulatedNetwork.make(options)
    const [one, two] = [yield* open(network, "10.0.0.1:1"), yield* open(network, "10.0.0.2:2")]
    return { network, one, two }
  })

/** Datagram `i`: its number, and 96 bytes more. */
const numbered = (i: number) => {
  const bytes = ramp(100)
  new DataView(bytes.buffer).setUint32(0, i)
  return bytes
}

const numberOf = (payload: Uint8Array) => new DataView(payload.buffer, payload.byteOffset).getUint32(0)

/** What becomes of 1,000 of them. */
const run = Effect.fnUntraced(function* (options: SimulatedNetwork.Options) {
  const { network, one, two } = yield* scene(options)
  for (let i = 0; i < 1_000; i++) yield* one.send(numbered(i), "10.0.0.2:2")
  yield* settle
  yield* TestClock.adjust("1 second")
  const payloads = two.received.map(({ payload }) => payload)
  return { counts: yield* network.counts, payloads, numbers: payloads.map(numberOf) }
}, Effect.scoped)

const all = Array.from({ length: 1_000 }, (_, i) => i)

describe("SimulatedNetwork", () => {
  it.effect("carries datagrams as they were when they were sent", () =>
    Effect.gen(function* () {
      const { network, one, two } = yield* scene()
      const payload = ramp(65_507)
      yield* one.send(payload, "10.0.0.2:2")
      payload.fill(0)
      yield* two.send(new Uint8Array(0), "10.0.0.1:1")
      yield* settle
      assert.deepStrictEqual(one.received, [{ from: "10.0.0.2:2", payload: new Uint8Array(0) }])
      assert.strictEqual(two.received[0]!.from, "10.0.0.1:1")
      assert.isTrue(Buffer.from(ramp(65_507)).equals(two.received[0]!.payload))
      assert.deepStrictEqual(yield* network.counts, {
        sent: 2,
        delivered: 2,
        lost: 0,
        duplicated: 0,
        reordered: 0,
        corrupted: 0
      })
    })
  )

  it.effect("gives a port to one socket at a time, and 0 any that is free", () =>
    Effect.gen(function* () {
      const { network, one } = yield* scene()
      const error = yield* Effect.flip(Effect.scoped(open(network, "10.0.0.1:1")))
      assert.strictEqual(error.reason._tag === "DatagramSocketOpenError" ? error.reason.kind : "", "AddressInUse")
      assert.strictEqual((yield* open(network, "10.0.0.1:0")).address, "10.0.0.1:49152")
      assert.strictEqual((yield* open(network, "10.0.0.1:0")).address, "10.0.0.1:49153")
      assert.strictEqual((yield* open(network, "0.0.0.0:4433")).address, "0.0.0.0:4433")
      yield* one.send(ramp(1), "127.0.0.1:4433")
      yield* settle
      assert.strictEqual((yield* network.counts).delivered, 1)
    })
  )

  it.effect("frees the port of a socket that is closed, and loses what is sent there", () =>
    Effect.gen(function* () {
      const { network, one } = yield* scene({ latency: "10 millis" })
      yield* Effect.scoped(Effect.andThen(open(network, "10.0.0.3:3"), one.send(ramp(1), "10.0.0.3:3")))
      yield* TestClock.adjust("10 millis")
      assert.deepInclude(yield* network.counts, { delivered: 0, lost: 1 })
      const next = yield* open(network, "10.0.0.3:3")
      yield* one.send(ramp(1), "10.0.0.3:3")
      yield* TestClock.adjust("10 millis")
      assert.strictEqual(next.received.length, 1)
    })
  )

  it.effect("knows no multicast", () =>
    Effect.gen(function* () {
      const { one } = yield* scene()
      const group = NetAddress.ipFromStringUnsafe("239.1.2.3")
      if (!NetAddress.isMulticast(group)) return assert.fail("it is a multicast address")
      const error = yield* Effect.flip(one.reader.joinMulticast({ group }))
      assert.strictEqual(error.reason._tag, "DatagramSocketUnsupportedError")
    })
  )
})

describe("a network that", () => {
  it.effect("has no faults delivers everything once and in order", () =>
    Effect.gen(function* () {
      const { counts, numbers } = yield* run({})
      assert.deepStrictEqual(numbers, all)
      assert.deepInclude(counts, { sent: 1_000, delivered: 1_000, lost: 0 })
    })
  )

  it.effect("loses, loses as many as it should, and the rest arrives in order", () =>
    Effect.gen(function* () {
      const { counts, numbers } = yield* run({ loss: 0.3 })
      assert.closeTo(counts.lost, 300, 50)
      assert.strictEqual(counts.delivered, 1_000 - counts.lost)
      assert.strictEqual(numbers.length, counts.delivered)
      assert.deepStrictEqual(
        numbers,
        [...numbers].toSorted((a, b) => a - b)
      )
    })
  )

  it.effect("duplicates, delivers some twice", () =>
    Effect.gen(function* () {
      const { counts, numbers } = yield* run({ duplication: 0.3 })
      assert.closeTo(counts.duplicated, 300, 50)
      assert.strictEqual(counts.delivered, 1_000 + counts.duplicated)
      const times = new Map<number, number>()
      for (const i of numbers) times.set(i, (times.get(i) ?? 0) + 1)
      assert.strictEqual(times.size, 1_000)
      assert.strictEqual([...times.values()].filter((count) => count === 2).length, counts.duplicated)
    })
  )

  it.effect("reorders, has some overtaken within the delay, and loses none", () =>
    Effect.gen(function* () {
      const { network, one, two } = yield* scene({ reordering: 0.3, reorderingDelay: "20 millis" })
      for (let i = 0; i < 1_000; i++) {
        yield* one.send(numbered(i), "10.0.0.2:2")
        yield* TestClock.adjust("1 millis")
      }
      yield* TestClock.adjust("20 millis")
      const { reordered } = yield* network.counts
      assert.closeTo(reordered, 300, 50)
      const numbers = two.received.map(({ payload }) => numberOf(payload))
      assert.deepStrictEqual(
        [...numbers].toSorted((a, b) => a - b),
        all
      )
      const late = numbers.map((number, at) => at - number)
      assert.isAbove(late.filter((by) => by > 0).length, reordered / 2)
      assert.isAtMost(Math.max(...late), 20)
      assert.isAbove(Math.max(...late), 10)
    })
  )

  it.effect("corrupts, flips one bit of some", () =>
    Effect.gen(function* () {
      const { counts, payloads } = yield* run({ corruption: 0.3 })
      assert.closeTo(counts.corrupted, 300, 50)
      assert.strictEqual(payloads.length, 1_000)
      const places = new Set<number>()
      for (const [number, payload] of payloads.entries()) {
        const expected = numbered(number)
        const different = [...payload.keys()].filter((i) => payload[i] !== expected[i])
        if (different.length === 0) continue
        assert.strictEqual(different.length, 1)
        places.add(different[0]!)
        const bits = (payload[different[0]!]! ^ expected[different[0]!]!).toString(2)
        assert.strictEqual(bits.replaceAll("0", ""), "1")
      }
      const damaged = payloads.filter((payload, number) => Buffer.compare(payload, numbered(number)) !== 0)
      assert.strictEqual(damaged.length, counts.corrupted)
      assert.isAbove(places.size, 80)
    })
  )

  it.effect("carries payloads of some size loses larger ones", () =>
    Effect.gen(function* () {
      const { network, one, two } = yield* scene({ mtu: 1_300 })
      for (const length of [1_299, 1_300, 1_301, 9_000]) yield* one.send(ramp(length), "10.0.0.2:2")
      yield* settle
      assert.deepStrictEqual(
        two.received.map(({ payload }) => payload.length),
        [1_299, 1_300]
      )
      assert.strictEqual((yield* network.counts).lost, 2)
    })
  )

  it.effect("has the same fate for each with the same seed, and another with another", () =>
    Effect.gen(function* () {
      const faults = { loss: 0.2, duplication: 0.2, reordering: 0.2, corruption: 0.2 }
      const first = yield* run({ ...faults, seed: "seed" })
      assert.isAbove(first.counts.corrupted, 0)
      assert.deepStrictEqual(yield* run({ ...faults, seed: "seed" }), first)
      assert.notDeepEqual(yield* run({ ...faults, seed: "another seed" }), first)
      assert.deepStrictEqual(yield* run({ ...faults }), yield* run({ ...faults, seed: 0 }))
    })
  )

  it.effect("loses the same ones, with any other conditions", () =>
    Effect.gen(function* () {
      // Duplicates come in the same turn, and those that wait come later: the set is what counts.
      const survivors = (numbers: ReadonlyArray<number>) => [...new Set(numbers)].toSorted((a, b) => a - b)
      const { numbers } = yield* run({ loss: 0.3 })
      const latency = Latency.uniform(0, "5 millis")
      for (const others of [{ reordering: 0.5 }, { duplication: 0.5 }, { mtu: 1_200 }, { latency }]) {
        const also = yield* run({ loss: 0.3, ...others })
        assert.deepStrictEqual(survivors(also.numbers), survivors(numbers))
      }
      const damaged = yield* run({ loss: 0.3, corruption: 0.5 })
      assert.isAbove(damaged.counts.corrupted, 300)
      // A few numbers are damaged themselves.
      const same = damaged.numbers.filter((number, at) => number === numbers[at])
      assert.isAbove(same.length, 0.95 * numbers.length)
    })
  )
})

describe("setFaults", () => {
  it.effect("is of one direction, and leaves what it does not name as it is", () =>
    Effect.gen(function* () {
      const { network, one, two } = yield* scene()
      const arrived = Effect.gen(function* () {
        for (const socket of [one, two]) socket.received.length = 0
        yield* one.send(ramp(100), "10.0.0.2:2")
        yield* two.send(ramp(100), "10.0.0.1:1")
        yield* settle
        return [two.received.length, one.received.length]
      })
      const change = (...args: Parameters<Network["setFaults"]>) => Effect.andThen(network.setFaults(...args), arrived)
      assert.deepStrictEqual(yield* change({ loss: 1 }, { from: "10.0.0.1" }), [0, 1])
      assert.deepStrictEqual(yield* change({ duplication: 1 }), [0, 2])
      // The socket's own rule goes before its host's, and says nothing of duplication.
      assert.deepStrictEqual(yield* change({ loss: 0 }, { from: "10.0.0.1:1" }), [2, 2])
      assert.deepStrictEqual(yield* change({ mtu: 99 }, { to: "10.0.0.1:1" }), [2, 0])
      assert.deepStrictEqual(yield* change({ mtu: 100, duplication: 0 }, { to: "10.0.0.1:1" }), [2, 1])
      assert.deepStrictEqual(yield* change({ duplication: 0 }), [1, 1])
      assert.strictEqual((yield* Effect.flip(network.setFaults({}, { to: "nowhere" })))._tag, "NetAddressError")
    })
  )
})

describe("the way between two sockets", () => {
  it.effect("takes its time", () =>
    Effect.gen(function* () {
      const { one, two } = yield* scene({ latency: "30 millis" })
      yield* one.send(ramp(1), "10.0.0.2:2")
      yield* TestClock.adjust("29 millis")
      assert.strictEqual(two.received.length, 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(two.received.length, 1)
    })
  )

  it.effect("that is narrow has datagrams wait, and loses those that would for more than 200 milliseconds", () =>
    Effect.gen(function* () {
      const { network, one, two } = yield* scene({ bandwidth: 10_000, latency: "5 millis" })
      for (let i = 0; i < 30; i++) yield* one.send(numbered(i), "10.0.0.2:2")
      const arrivals: Array<number> = []
      for (let time = 0; time <= 300; time += 5) {
        while (arrivals.length < two.received.length) arrivals.push(time)
        yield* TestClock.adjust("5 millis")
      }
      // 100 bytes are 10 milliseconds: the 21st finds 20 before it.
      assert.deepStrictEqual(
        arrivals,
        Array.from({ length: 21 }, (_, i) => 15 + 10 * i)
      )
      assert.deepInclude(yield* network.counts, { delivered: 21, lost: 9 })
      yield* one.send(numbered(99), "10.0.0.2:2")
      yield* TestClock.adjust("15 millis")
      assert.strictEqual(two.received.length, 22)
    })
  )

  it.effect("that is cut loses what is on it, for good", () =>
    Effect.gen(function* () {
      const { network, one, two } = yield* scene()
      yield* network.partitionOneWay("10.0.0.1", "10.0.0.2")
      yield* one.send(ramp(1), "10.0.0.2:2")
      yield* two.send(ramp(1), "10.0.0.1:1")
      yield* settle
      assert.deepStrictEqual([one.received.length, two.received.length], [1, 0])
      yield* network.heal
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(two.received.length, 0)
      yield* one.send(ramp(2), "10.0.0.2:2")
      yield* settle
      assert.deepStrictEqual(
        two.received.map(({ payload }) => payload.length),
        [2]
      )
      assert.deepInclude(yield* network.counts, { sent: 3, delivered: 2, lost: 1 })
    })
  )
})

describe("rebind", () => {
  it.effect("shows a socket at another port, where it is reached, and nowhere else", () =>
    Effect.gen(function* () {
      const { network, one, two } = yield* scene()
      const neighbour = yield* open(network, "10.0.0.1:9")
      yield* network.rebind("10.0.0.1:1")
      for (const socket of [one, neighbour]) yield* socket.send(ramp(1), "10.0.0.2:2")
      yield* settle
      const seen = two.received.map(({ from }) => from)
      assert.strictEqual(seen[1], "10.0.0.1:9")
      assert.notStrictEqual(seen[0], "10.0.0.1:1")
      yield* two.send(ramp(1), seen[0]!)
      yield* two.send(ramp(2), "10.0.0.1:1")
      yield* settle
      assert.deepStrictEqual(
        one.received.map(({ payload }) => payload.length),
        [1]
      )
      // It goes by the name that it was given: once more, with its whole host, and what is said of its way.
      yield* network.rebind(["10.0.0.1"])
      yield* network.setFaults({ loss: 1 }, { from: "10.0.0.1:1" })
      for (const socket of [one, neighbour]) yield* socket.send(ramp(1), "10.0.0.2:2")
      yield* settle
      assert.strictEqual(two.received.length, 3)
      assert.notInclude(["10.0.0.1:9", ...seen], two.received[2]!.from)
    })
  )

  it.effect("frees the ports when the socket is closed", () =>
    Effect.gen(function* () {
      const { network, two } = yield* scene()
      const from = yield* Effect.scoped(
        Effect.gen(function* () {
          const moving = yield* open(network, "10.0.0.3:3")
          yield* network.rebind("10.0.0.3:3")
          yield* moving.send(ramp(1), "10.0.0.2:2")
          yield* settle
          return two.received[0]!.from
        })
      )
      yield* open(network, "10.0.0.3:3")
      yield* open(network, from)
    })
  )
})
