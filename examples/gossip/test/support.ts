import { Endpoint, PortMapper } from "@qp2p/core"
import { MemoryNetwork, MemoryTransport, TestIdentity } from "@qp2p/testkit"
import { Context, Effect, Layer, type Scope, Stream } from "effect"
import { Gossip, type Options } from "../src/Gossip.ts"

/** A network in memory, which `TestClock` drives. */
export const memory = Layer.merge(MemoryTransport.layerNetwork(), PortMapper.layerNone)

export const onNetwork = <A, E>(
  test: Effect.Effect<A, E, Layer.Success<typeof memory> | Scope.Scope>
): Effect.Effect<A, E> => test.pipe(Effect.scoped, Effect.provide(memory))

export const network = Effect.service(MemoryNetwork.MemoryNetwork)

let nodes = 0

/** A node that lives as long as the scope. Its key is made at once: a test's clock does not wait for one from random bytes. */
export const node = Effect.fnUntraced(function* (options: Options & Endpoint.Options) {
  const services = yield* Layer.build(Gossip.layerNode({ identity: TestIdentity.make(`node ${nodes++}`), ...options }))
  return { ...Context.get(services, Gossip), endpoint: Context.get(services, Endpoint.Endpoint) }
})

type Node = Effect.Success<ReturnType<typeof node>>

/** What a node knows, oldest first. */
export const texts = (gossip: Node) => Effect.map(gossip.rumours, (rumours) => rumours.map(({ text }) => text))

/** Waits until a node knows this. */
export const hears = (gossip: Node, text: string) =>
  gossip.heard.pipe(
    Stream.filter((rumour) => rumour.text === text),
    Stream.take(1),
    Stream.runDrain
  )
