/** The times of the cluster of this example. They are short, so that one sees within seconds what happens when a runner dies. */
import type { EndpointConfig } from "@qp2p/core"
import type { ShardingConfig } from "effect/cluster"

/** Those of Effect Cluster. All runners of a cluster need the same numbers. */
export const sharding: Partial<ShardingConfig.ShardingConfig["Service"]> = {
  shardsPerGroup: 60,
  // The shards of a runner that dies are its own for as long. SQLite's clock counts whole seconds.
  shardLockExpiration: "6 seconds",
  shardLockRefreshInterval: "2 seconds",
  refreshAssignmentsInterval: "500 millis",
  runnerHealthCheckInterval: "1 second",
  entityMessagePollInterval: "500 millis",
  entityReplyPollInterval: "100 millis",
  entityTerminationTimeout: "2 seconds"
}

/** Those of the connections: one whose peer is silent for as long is closed, and dialled again when it is needed. */
export const endpoint: EndpointConfig.Input = {
  idleTimeout: "5 seconds",
  keepAliveInterval: "1 second"
}
