/**
 * Runs three nodes on this machine, each with a key and a socket of its own. Ann is Bob's contact, and Bob is Cid's.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Endpoint, PortMapper, type PeerAddress } from "@qp2p/core"
import { QuicheTransport } from "@qp2p/node"
import { Console, Context, Effect, Layer, Stream } from "effect"
import { Gossip } from "./Gossip.ts"

const node = Effect.fnUntraced(function* (contacts: ReadonlyArray<PeerAddress.Input>) {
  const services = yield* Layer.build(Gossip.layerNode({ localAddress: "127.0.0.1:0", contacts }))
  return { gossip: Context.get(services, Gossip), self: Context.get(services, Endpoint.Endpoint).peerAddress }
})

const demo = Effect.gen(function* () {
  const ann = yield* node([])
  const bob = yield* node([ann.self])
  const cid = yield* node([bob.self])
  const nodes = { Ann: ann, Bob: bob, Cid: cid }
  for (const [name, { self }] of Object.entries(nodes)) yield* Console.log(`${name} is ${self}`)

  yield* ann.gossip.publish("the bridge is closed")
  yield* cid.gossip.publish("the ferry goes at noon")
  yield* bob.gossip.publish("there are two seats left")

  for (const [name, { gossip }] of Object.entries(nodes)) {
    const heard = yield* gossip.heard.pipe(Stream.take(3), Stream.runCollect)
    const texts = heard.map(({ text }) => text).toSorted()
    yield* Console.log(`${name} knows that ${texts.join(", that ")}`)
  }
})

demo.pipe(
  Effect.scoped,
  Effect.timeout("30 seconds"),
  Effect.provide([QuicheTransport.layer(), PortMapper.layerNone]),
  NodeRuntime.runMain
)
