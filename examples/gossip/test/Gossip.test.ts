import { assert, describe, it } from "@effect/vitest"
import { PortMapper } from "@qp2p/core"
import { QuicheTransport } from "@qp2p/node"
import * as SimulatedNetwork from "@qp2p/testkit/SimulatedNetwork"
import { Effect, Layer } from "effect"
import { hears, memory, node, onNetwork, texts } from "./support.ts"

/** Bob knows Ann, and Cid knows Bob. It needs a `Transport`, and does not care which. */
const application = Effect.gen(function* () {
  const localAddress = "127.0.0.1:0"
  const ann = yield* node({ localAddress })
  const bob = yield* node({ localAddress, contacts: [ann.endpoint.peerAddress] })
  const cid = yield* node({ localAddress, contacts: [bob.endpoint.publicAddress] })

  yield* ann.publish("the bridge is closed")
  yield* cid.publish("the ferry goes at noon")
  const everybody = [ann, bob, cid]
  for (const each of everybody) {
    yield* hears(each, "the bridge is closed")
    yield* hears(each, "the ferry goes at noon")
    assert.strictEqual((yield* texts(each)).length, 2)
  }

  assert.deepStrictEqual(yield* ann.peers, [bob.endpoint.peerId])
  assert.deepStrictEqual(yield* cid.peers, [bob.endpoint.peerId])
  assert.sameMembers([...(yield* bob.peers)], [ann.endpoint.peerId, cid.endpoint.peerId])
}).pipe(Effect.scoped)

const lossy = Layer.provide(SimulatedNetwork.layerTransport, SimulatedNetwork.layer({ loss: 0.05, reordering: 0.1 }))

describe("what one publishes, all hear", () => {
  it.effect("in memory", () => application.pipe(Effect.provide(memory)))

  it.live("over QUIC", () =>
    application.pipe(Effect.provide(Layer.merge(QuicheTransport.layer(), PortMapper.layerNone)))
  )

  it.live("over QUIC, on a network that loses every twentieth packet", () =>
    application.pipe(Effect.provide(Layer.merge(lossy, PortMapper.layerNone)))
  )
})

it.effect("whoever comes later is told at once what is known", () =>
  Effect.gen(function* () {
    const ann = yield* node({ localAddress: "10.0.0.1:4433" })
    yield* ann.publish("news")
    const bob = yield* node({ localAddress: "10.0.0.2:4433", contacts: ["10.0.0.1:4433"] })
    yield* hears(bob, "news")
  }).pipe(onNetwork)
)
