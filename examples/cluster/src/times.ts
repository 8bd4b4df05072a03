/** The times of the cluster of this example. They are short, so that one sees within seconds what happens when a runner dies. */
import type { EndpointConfig } from "@qp2p/core"
import type { ShardingConfig } from "effect/cluster"

/** Those of Effect Cluster. All runners of a cluster need the same numbers. */
export const sharding: Partial<ShardingConfig.ShardingConfig["Service"]> = {
  shardsPerGroup: 60,
  // The shards of a runner that dies are its own for as long. SQLite's clock counts whole seconds.
  shardLockExpiration: "9 seconds",
  shardLockRefreshInterval: "3 seconds",
  refreshAssignmentsInterval: "500 millis",
  runnerHealthCheckInterval: "1 second",
  entityMessagePollInterval: "500 millis",
  entityReplyPollInterval: "100 millis",
  entityTerminationTimeout: "2 seconds"
}

/**
 * Those of the connections. A runner that is gone is given up soon, since Effect Cluster has its own ways to try again: a dial takes
 * two seconds at most, and a connection whose peer is silent for three seconds is closed.
 */
export const endpoint: EndpointConfig.Input = {
  idleTimeout: "3 seconds",
  keepAliveInterval: "1 second",
  handshakeTimeout: "2 seconds",
  retryDuration: 0
}
