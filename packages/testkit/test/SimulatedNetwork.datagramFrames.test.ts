/**
 * `Connection.sendDatagram` of the QUIC driver on a simulated network.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Endpoint from "@qp2p/core/Endpoint"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as SimulatedNetwork from "../src/SimulatedNetwork.ts"
import { ramp, sameBytes } from "./support/recordingSockets.ts"

const { SimulatedNetwork: Network } = SimulatedNetwork

const on = (options?: SimulatedNetwork.Options) =>
  Effect.provide(
    Layer.merge(
      Layer.provideMerge(SimulatedNetwork.layerTransport, SimulatedNetwork.layer(options)),
      PortMapper.layerNone
    )
  )

const pair = Effect.gen(function* () {
  const one = yield* Endpoint.make({ localAddress: "10.0.0.1:1" })
  const two = yield* Endpoint.make({ localAddress: "10.0.0.2:2" })
  const near = yield* one.connectTo("10.0.0.2:2")
  const far = yield* two.nextConnection
  yield* Effect.forkScoped(Stream.runDrain(two.incomingMessages))
  return { one, two, near, far }
})

/** Polls until `check` holds; the test's timeout is the limit. */
const eventually = <E, R>(check: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(Effect.andThen(Effect.sleep("5 millis"), check), { until: (holds) => holds })

describe("datagrams over QUIC on a simulated network", () => {
  it.live("are as large as the packets that the path carries now: more when it carries more, and less when less", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { near, two } = yield* pair
      const bulk = near.send(ramp(50_000))
      for (let i = 0; i < 100; i++) {
        yield* near.sendDatagram(ramp(near.maxDatagramSize))
        yield* two.nextDatagram
      }
      // Datagrams alone do not find out how much more the path carries.
      assert.isBelow(near.maxDatagramSize, 1_200)
      yield* eventually(Effect.map(bulk, () => near.maxDatagramSize >= 1_350 - 45))
      const large = ramp(near.maxDatagramSize)
      yield* near.sendDatagram(large)
      assert.isTrue(sameBytes((yield* two.nextDatagram).payload, large))
      yield* network.setFaults({ mtu: 1_250 })
      yield* eventually(Effect.map(Effect.timeoutOption(bulk, "200 millis"), () => near.maxDatagramSize === 1_155))
      const error = yield* Effect.flip(near.sendDatagram(large))
      assert.deepInclude(error, { _tag: "DatagramTooLarge", size: large.length, limit: 1_155 })
      yield* near.sendDatagram(ramp(1_155))
      assert.strictEqual((yield* two.nextDatagram).payload.length, 1_155)
    }).pipe(on({ mtu: 1_452 }))
  )

  it.live("arrive once at most, whole, and not in their order, where packets are lost, repeated and reordered", () =>
    Effect.gen(function* () {
      const { far, near, two } = yield* pair
      const count = 1_000
      const sending = Effect.forEach(
        Array.from({ length: count }),
        (_, i) => Effect.andThen(near.sendDatagram(Uint8Array.of(i >> 8, i & 0xff, 7)), Effect.sleep("1 millis")),
        { discard: true }
      )
      const received: Array<number> = []
      const reading = Stream.runForEach(two.datagrams, ({ payload }) =>
        Effect.sync(() => {
          assert.deepStrictEqual([payload.length, payload[2]], [3, 7])
          received.push((payload[0]! << 8) | payload[1]!)
        })
      )
      yield* Effect.raceFirst(reading, Effect.andThen(sending, Effect.sleep("500 millis")))
      assert.strictEqual(new Set(received).size, received.length)
      assert.isAbove(received.length, count / 2)
      assert.isBelow(received.length, count)
      assert.isTrue(received.some((number, i) => i > 0 && number < received[i - 1]!))
      assert.strictEqual((yield* far.stats).datagramsReceived, received.length)
    }).pipe(on({ seed: 19, loss: 0.1, duplication: 0.1, reordering: 0.3 }))
  )
})
