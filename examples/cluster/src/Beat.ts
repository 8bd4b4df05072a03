/**
 * A job that the cluster runs each second, in one runner at a time: the one that hosts the entity of the job. The singleton
 * `ClusterCron/Beat` only starts the job, and may run in another runner, since its shard is another one.
 */
import { Cron, DateTime, Effect, Layer } from "effect"
import { ClusterCron, ShardingConfig } from "effect/cluster"
import { SqlClient } from "effect/sql"
import { nameOf } from "./names.ts"

const table = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE IF NOT EXISTS beats (time TEXT NOT NULL, runner TEXT NOT NULL)`
})

/** Writes the time that the beat was due, and the runner. */
const beat = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const time = DateTime.formatIso(yield* ClusterCron.CurrentScheduledTime)
  const runner = nameOf((yield* ShardingConfig.ShardingConfig).runnerAddress)
  yield* sql`INSERT INTO beats ${sql.insert({ time, runner })}`
})

/** Lets this runner beat. Beats that fell into the death of a runner are made up for, in order. */
export const layer = ClusterCron.make({
  name: "Beat",
  cron: Cron.parseUnsafe("* * * * * *"),
  execute: beat,
  calculateNextRunFromPrevious: true
}).pipe(Layer.provide(Layer.effectDiscard(Effect.orDie(table))))
