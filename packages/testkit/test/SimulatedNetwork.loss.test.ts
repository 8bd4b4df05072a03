/**
 * The QUIC driver where packets get lost all the time.
 */
import { assert, it } from "@effect/vitest"
import * as Endpoint from "@qp2p/core/Endpoint"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SimulatedNetwork from "../src/SimulatedNetwork.ts"
import { ramp, sameBytes } from "./support/recordingSockets.ts"

const lossy = Layer.merge(
  Layer.provideMerge(
    SimulatedNetwork.layerTransport,
    SimulatedNetwork.layer({ seed: "round trips", latency: "20 millis", loss: 0.05 })
  ),
  PortMapper.layerNone
)

it.live("losses do not make it believe in a longer way than there is", () =>
  Effect.gen(function* () {
    const one = yield* Endpoint.make({ localAddress: "10.0.0.1:1" })
    const two = yield* Endpoint.make({ localAddress: "10.0.0.2:2" })
    const connection = yield* one.connectTo("10.0.0.2:2")
    const message = ramp(100_000)
    // What waits for the retransmission timer waits for as long as the way is believed to be.
    const exchange = Effect.gen(function* () {
      yield* connection.send(message)
      assert.isTrue(sameBytes((yield* two.nextMessage).payload, message))
      return Duration.toMillis((yield* connection.stats).roundTripTime)
    })
    const believed = yield* Effect.forEach(Array.from({ length: 20 }), () => exchange, { concurrency: 10 })
    assert.isBelow(Math.max(...believed), 2_000)
    assert.isAbove((yield* connection.stats).packetsLost, 20)
  }).pipe(Effect.scoped, Effect.provide(lossy))
)
