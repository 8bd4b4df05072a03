/** The times of the cluster of this example. They are short, so that its tests and its demo see a runner die within seconds. */
import { Effect, Layer } from "effect"
import { RunnerHealth, Runners, type ShardingConfig } from "effect/cluster"

/** All runners of a cluster need the same numbers. */
export const sharding: Partial<ShardingConfig.ShardingConfig["Service"]> = {
  shardsPerGroup: 60,
  // A runner that dies keeps its shards for as long. SQLite's clock has whole seconds.
  shardLockExpiration: "6 seconds",
  shardLockRefreshInterval: "2 seconds",
  refreshAssignmentsInterval: "500 millis",
  runnerHealthCheckInterval: "1 second",
  entityMessagePollInterval: "500 millis",
  entityReplyPollInterval: "100 millis",
  entityTerminationTimeout: "2 seconds"
}

/** Holds that a runner is dead when it has not answered three questions, for two seconds each. */
export const health: Layer.Layer<RunnerHealth.RunnerHealth, never, Runners.Runners> = Layer.effect(
  RunnerHealth.RunnerHealth,
  Effect.map(Runners.Runners, (runners) => ({
    isAlive: (address) =>
      runners.ping(address).pipe(Effect.timeout("2 seconds"), Effect.retry({ times: 2 }), Effect.isSuccess)
  }))
)
