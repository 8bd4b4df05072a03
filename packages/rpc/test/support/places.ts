/** Where the services of tests meet: two endpoints on a network in memory, or on loopback. */
import * as Endpoint from "@qp2p/core/Endpoint"
import type * as EndpointConfig from "@qp2p/core/EndpointConfig"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import * as MemoryTransport from "@qp2p/testkit/MemoryTransport"
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export type Service = Endpoint.Endpoint["Service"]

/** Two endpoints: one that calls, one that serves. */
export class Pair extends Context.Service<Pair, { readonly one: Service; readonly two: Service }>()(
  "@qp2p/rpc/test/support/places/Pair"
) {}

let identities = 0

const endpoint = (localAddress: string, config: EndpointConfig.Input) =>
  Endpoint.make({ localAddress, identity: TestIdentity.make(`rpc ${(identities += 1)}`), config })

const pair = (one: string, two: string, config: EndpointConfig.Input) =>
  Layer.effect(
    Pair,
    Effect.map(Effect.all([endpoint(one, config), endpoint(two, config)]), ([one, two]) => ({ one, two }))
  )

/** One more endpoint, until the scope closes. */
export const another = (localAddress: string) => endpoint(localAddress, {})

/** A network in memory, with what controls it. */
export const network = Layer.fresh(Layer.merge(MemoryTransport.layerNetwork(), PortMapper.layerNone))

/** Two endpoints on a network in memory. Nothing there takes time. */
export const inMemory = (
  config: EndpointConfig.Input = {},
  [one, two]: readonly [string, string] = ["10.0.0.1:1", "10.0.0.2:2"]
) => pair(one, two, config).pipe(Layer.provideMerge(network))

/** Two endpoints on loopback, over QUIC. */
export const onLoopback = (config: EndpointConfig.Input = {}) =>
  pair("127.0.0.1:0", "127.0.0.1:0", config).pipe(
    Layer.provideMerge(Layer.fresh(Layer.merge(QuicheTransport.layer(), PortMapper.layerNone)))
  )

/** The endpoint that calls. */
export const caller = Layer.effect(
  Endpoint.Endpoint,
  Effect.map(Pair, ({ one }) => one)
)

/** The endpoint that serves. */
export const server = Layer.effect(
  Endpoint.Endpoint,
  Effect.map(Pair, ({ two }) => two)
)

/** What a test in memory has. */
export type Needs = Layer.Success<ReturnType<typeof inMemory>>
