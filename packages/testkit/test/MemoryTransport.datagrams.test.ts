/**
 * What the memory network does to datagrams.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as MemoryNetwork from "../src/MemoryNetwork.ts"
import * as MemoryTransport from "../src/MemoryTransport.ts"
import * as TrafficTrace from "../src/TrafficTrace.ts"
import { connect, provide, setLatency, settle, text } from "./support/recordingSockets.ts"

const setDatagrams = (faults: MemoryNetwork.DatagramFaults, direction?: { readonly from?: string }) =>
  Effect.flatMap(MemoryNetwork.MemoryNetwork, (network) => network.setDatagrams(faults, direction))

/** Sends numbers one after the other, and returns those that have arrived, in that order. */
const numbers = Effect.fnUntraced(function* (count: number, latency: Duration.Input = 0) {
  const { far, near } = yield* connect()
  yield* setLatency(latency)
  for (let i = 0; i < count; i++) {
    assert.isTrue(near.connection.sendDatagram!(Uint8Array.of(i)))
    yield* TestClock.adjust("1 millis")
  }
  yield* TestClock.adjust("1 second")
  return far.datagrams.map(([number]) => number!)
})

const all = (count: number) => Array.from({ length: count }, (_, i) => i)

describe("datagrams on a memory network", () => {
  it.effect("all arrive, in their order, where nothing was said of them", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* numbers(100, "5 millis"), all(100))
    }).pipe(provide)
  )

  it.effect("are lost as often as the network says, the same ones each time, and streams are not", () =>
    Effect.gen(function* () {
      const lossy = (seed: number) =>
        Effect.gen(function* () {
          yield* setDatagrams({ loss: 0.3 })
          return yield* numbers(200)
        }).pipe(Effect.scoped, Effect.provide(MemoryTransport.layerNetwork({ seed }), { local: true }))
      const arrived = yield* lossy(1)
      assert.isAbove(arrived.length, 110)
      assert.isBelow(arrived.length, 170)
      assert.deepStrictEqual(yield* lossy(1), arrived)
      assert.notDeepEqual(yield* lossy(2), arrived)
      const { far, near } = yield* connect()
      yield* setDatagrams({ loss: 1 })
      near.connection.sendDatagram!(Uint8Array.of(1))
      near.send(text("a message"))
      yield* settle
      assert.deepStrictEqual([far.datagrams.length, far.messages.length], [0, 1])
    }).pipe(provide)
  )

  it.effect("overtake each other as often as the network says, by as much time as it says at most", () =>
    Effect.gen(function* () {
      yield* setDatagrams({ reordering: 0.5, reorderingDelay: "5 millis" })
      const arrived = yield* numbers(200)
      assert.notDeepEqual(arrived, all(200))
      assert.deepStrictEqual(
        arrived.toSorted((a, b) => a - b),
        all(200)
      )
      assert.isTrue(arrived.every((number, at) => Math.abs(number - at) <= 5))
    }).pipe(provide)
  )

  it.effect("are as large as packets may be, which may differ by direction", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect()
      const sizes = () => [near.connection.maxDatagramSize, far.connection.maxDatagramSize]
      assert.deepStrictEqual(sizes(), [1_156, 1_156])
      yield* setDatagrams({ mtu: 9_000 }, { from: "10.0.0.1" })
      yield* setDatagrams({ loss: 0 })
      assert.deepStrictEqual(sizes(), [8_956, 1_156])
      yield* setDatagrams({ mtu: 20 })
      assert.deepStrictEqual(sizes(), [8_956, 0])
      assert.isFalse(far.connection.sendDatagram!(new Uint8Array(1)))
    }).pipe(provide)
  )

  it.effect("are lost where the way is cut, and no one is sent again", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      const { far, near } = yield* connect()
      yield* network.partition("10.0.0.1", "10.0.0.2")
      near.connection.sendDatagram!(text("lost"))
      yield* settle
      yield* network.heal
      near.connection.sendDatagram!(text("found"))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(far.datagrams, [text("found")])
    }).pipe(provide)
  )

  it.effect("keep a connection from timing out at both ends", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect({
        client: { idleTimeout: Duration.seconds(10) },
        server: { idleTimeout: Duration.seconds(10) }
      })
      for (let i = 0; i < 10; i++) {
        near.connection.sendDatagram!(new Uint8Array(1))
        yield* TestClock.adjust("4 seconds")
      }
      assert.deepStrictEqual([near.closes, far.closes], [[], []])
      yield* TestClock.adjust("11 seconds")
      assert.deepStrictEqual([near.closes.length, far.closes.length], [1, 1])
    }).pipe(provide)
  )

  it.effect("are in the trace", () =>
    Effect.gen(function* () {
      const { near } = yield* connect()
      near.connection.sendDatagram!(new Uint8Array(7))
      near.connection.sendDatagram!(new Uint8Array(5_000))
      yield* settle
      const trace = yield* TrafficTrace.TrafficTrace
      const lines = (yield* trace.lines).filter((line) => line.includes("datagram"))
      assert.deepStrictEqual(
        lines.map((line) => line.slice("00:00:00.000  ".length)),
        [
          "10.0.0.1:1 → 10.0.0.2:2  #1 datagram of 7 bytes",
          "10.0.0.1:1 → 10.0.0.2:2  #1 datagram of 5000 bytes, dropped",
          "10.0.0.2:2 ← 10.0.0.1:1  #1 datagram of 7 bytes"
        ]
      )
    }).pipe(Effect.scoped, Effect.provide(TrafficTrace.layerMemory()))
  )

  it.effect("refuse faults that are none", () =>
    Effect.gen(function* () {
      for (const wrong of [{ loss: 2 }, { mtu: -1 }, { reorderingDelay: -1 }, { los: 0.5 }, null]) {
        const failed: { readonly _tag: string } = yield* Effect.flip(
          Effect.asVoid(setDatagrams(wrong as MemoryNetwork.DatagramFaults))
        )
        assert.strictEqual(failed._tag, "InvalidArgument")
      }
    }).pipe(provide)
  )
})
