/** Baseline: SocketRunner over TCP. */
import { NodeClusterSocket, NodeRuntime, NodeStdio } from "@effect/platform-node"
import { Config, Effect, Layer, Option } from "effect"
import { ClusterWorkflowEngine, Runners, RunnerAddress, ShardingConfig, SocketRunner } from "effect/cluster"
import { RpcSerialization } from "effect/rpc"
import * as Beat from "./Beat.ts"
import * as Counter from "./Counter.ts"
import * as Parcel from "./Parcel.ts"
import * as Settings from "./settings.ts"
import * as Storage from "./Storage.ts"
import { commands } from "./commands.ts"

const runner = Layer.unwrap(
  Effect.gen(function* () {
    const database = yield* Config.String("CLUSTER_DATABASE")
    const port = yield* Config.Int("CLUSTER_PORT")
    const health = Settings.health.pipe(Layer.provide(Runners.layerRpc), Layer.provide(NodeClusterSocket.layerClientProtocol))
    const transport = SocketRunner.layer.pipe(
      Layer.provide([NodeClusterSocket.layerSocketServer, NodeClusterSocket.layerClientProtocol]),
      Layer.provide(health)
    )
    return Layer.mergeAll(Counter.layer, Beat.layer, Parcel.layer).pipe(
      Layer.provideMerge(ClusterWorkflowEngine.layer),
      Layer.provideMerge(transport),
      Layer.provideMerge(Storage.layer(database)),
      Layer.provideMerge(
        ShardingConfig.layer({
          ...Settings.sharding,
          runnerAddress: Option.some(RunnerAddress.make("127.0.0.1", port))
        })
      ),
      Layer.provide(RpcSerialization.layerSchemaBinary())
    )
  })
)

commands.pipe(Effect.provide([runner, NodeStdio.layer]), NodeRuntime.runMain)
