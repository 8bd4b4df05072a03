/** One runner of the cluster: Effect Cluster over QUIC, a file that all runners share, and what the cluster does. */
import { type Endpoint, type PeerId, PeerPolicy } from "@qp2p/core"
import { NodeEndpoint } from "@qp2p/node"
import { QuicRunner } from "@qp2p/rpc"
import { Effect, Layer } from "effect"
import { ClusterWorkflowEngine } from "effect/cluster"
import { RpcSerialization } from "effect/rpc"
import * as Beat from "./Beat.ts"
import * as Counter from "./Counter.ts"
import * as Parcel from "./Parcel.ts"
import * as Storage from "./Storage.ts"
import * as times from "./times.ts"

/** The options of a runner. */
export interface Options extends Endpoint.Options {
  /** The SQLite file that the runners share. */
  readonly database: string
  /** The keys of the runners. Peers with other keys are refused. */
  readonly members: ReadonlySet<PeerId.PeerId>
}

/** A runner: it hosts counters, parcels and beats, and calls those of the others. */
export const layer = ({ database, members: keys, ...endpoint }: Options) => {
  const members = (peerId: PeerId.PeerId) => Effect.succeed(keys.has(peerId))
  // This endpoint serves nothing but the cluster, so it has no connections with others at all.
  const policy = Layer.succeed(PeerPolicy.PeerPolicy, ({ peerId }: PeerPolicy.Peer) => members(peerId))
  return Layer.mergeAll(Counter.layer, Beat.layer, Parcel.layer).pipe(
    Layer.provideMerge(ClusterWorkflowEngine.layer),
    Layer.provideMerge(QuicRunner.layer({ members })),
    Layer.provide(QuicRunner.layerHealth({ members })),
    Layer.provideMerge(Storage.layer(database)),
    Layer.provideMerge(QuicRunner.layerShardingConfig(times.sharding)),
    Layer.provide(RpcSerialization.layerSchemaBinary()),
    Layer.provideMerge(NodeEndpoint.layer({ ...endpoint, config: { ...endpoint.config, ...times.endpoint } })),
    Layer.provide(policy)
  )
}
