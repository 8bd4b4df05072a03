/**
 * Typed messages over QUIC.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Endpoint from "@qp2p/core/Endpoint"
import * as Messages from "@qp2p/core/Messages"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as SimulatedNetwork from "@qp2p/testkit/SimulatedNetwork"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as QuicheTransport from "../src/QuicheTransport.ts"

const make = Messages.make("test", { message: Schema.String, answer: Schema.Finite })

const lossy = Layer.provide(SimulatedNetwork.layerTransport, SimulatedNetwork.layer({ loss: 0.05, reordering: 0.1 }))

/** Messages and questions, small and large, both ways at once; each arrives once, since no connection is lost. */
const application = Effect.gen(function* () {
  const one = yield* Endpoint.make({ localAddress: "127.0.0.1:0" })
  const two = yield* Endpoint.make({ localAddress: "127.0.0.1:0" })
  const ann = yield* Effect.provideService(make, Endpoint.Endpoint, one)
  const bob = yield* Effect.provideService(make, Endpoint.Endpoint, two)
  const got: Record<string, number> = {}
  for (const side of [ann, bob]) {
    yield* Effect.forkScoped(
      Stream.runForEach(side.incoming, ({ reply, value }) => {
        const [name] = value.split(" ")
        got[name!] = (got[name!] ?? 0) + 1
        return reply(value.length)
      })
    )
  }
  const values = Array.from({ length: 100 }, (_, i) => `${i} ${"x".repeat(i % 20 === 0 ? 100_000 : 10)}`)
  const all = <A, E>(each: (value: string) => Effect.Effect<A, E>) =>
    Effect.forEach(values, each, { concurrency: "unbounded" })
  const [sent, answers] = yield* Effect.all(
    [
      all((value) => ann.send(two.peerAddress, `sent${value}`)),
      all((value) => bob.ask(one.peerAddress, `asked${value}`, { timeout: "20 seconds" }))
    ],
    { concurrency: "unbounded" }
  )
  assert.strictEqual(sent.length, 100)
  assert.deepStrictEqual(
    answers,
    values.map((value) => `asked${value}`.length)
  )
  assert.strictEqual(Object.keys(got).length, 200)
  assert.isTrue(Object.values(got).every((times) => times === 1))
}).pipe(Effect.scoped)

describe("typed messages", () => {
  it.live("carry messages and questions over QUIC, each once", () =>
    application.pipe(Effect.provide(Layer.merge(QuicheTransport.layer(), PortMapper.layerNone)))
  )

  it.live("carry messages and questions on a network that loses 5 % of the packets, each once", () =>
    application.pipe(Effect.provide(Layer.merge(lossy, PortMapper.layerNone)))
  )
})
