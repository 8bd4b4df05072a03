/** The same runner over Effect's sockets and over endpoints. */
import { NodeClusterSocket } from "@effect/platform-node"
import { Endpoint } from "@qp2p/core"
import { NodeEndpoint } from "@qp2p/node"
import { QuicRunner } from "@qp2p/rpc"
import { Context, Effect, Layer, Option, type Scope } from "effect"
import { RunnerAddress, RunnerHealth, type Runners, type Sharding, ShardingConfig, SocketRunner } from "effect/cluster"
import { RpcSerialization } from "effect/rpc"
import { createServer } from "node:net"
import type { Place, TransportName } from "./messages.ts"
import * as storage from "./storage.ts"

/** A TCP port that is free. */
const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

const addressesOf = (places: ReadonlyArray<Place>) => places.map(({ host, port }) => RunnerAddress.make(host, port))

/** What `NodeClusterSocket.layer` takes by default, and no questions about the health of runners, as none dies here. */
const common = (own: Place, places: ReadonlyArray<Place>) =>
  Layer.mergeAll(
    ShardingConfig.layer({ runnerAddress: Option.some(RunnerAddress.make(own.host, own.port)) }),
    RpcSerialization.layerSchemaBinary(),
    RunnerHealth.layerNoop,
    storage.layer(addressesOf(places))
  )

const overSockets = Effect.map(freePort, (port) => {
  const own: Place = { host: "127.0.0.1", port }
  const layer = (places: ReadonlyArray<Place>) =>
    SocketRunner.layer.pipe(
      Layer.provide([NodeClusterSocket.layerSocketServer, NodeClusterSocket.layerClientProtocol]),
      Layer.provide(common(own, places))
    )
  return { own, layer }
})

const overQuic = Effect.gen(function* () {
  const services = yield* Layer.build(NodeEndpoint.layer({ localAddress: "127.0.0.1:0" }))
  const { localAddress, peerId } = Context.get(services, Endpoint.Endpoint)
  const own: Place = { host: `${peerId}@127.0.0.1`, port: localAddress.port }
  const layer = (places: ReadonlyArray<Place>) =>
    QuicRunner.layer({
      members: (id) => Effect.succeed(places.some(({ host }) => host.startsWith(`${id}@`)))
    }).pipe(Layer.provide(common(own, places)), Layer.provide(Layer.succeedContext(services)))
  return { own, layer }
})

/** A runner that knows its place, and joins a cluster when it knows those of the others. */
export interface Runner {
  readonly own: Place
  readonly layer: (places: ReadonlyArray<Place>) => Layer.Layer<Sharding.Sharding | Runners.Runners, unknown>
}

export const runner = (name: TransportName): Effect.Effect<Runner, unknown, Scope.Scope> =>
  name === "quic" ? overQuic : overSockets
