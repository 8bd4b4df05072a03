/**
 * A durable workflow: a parcel that is packed, waits, and is delivered. It goes on in another runner when the one that runs it
 * dies, and does none of its steps twice.
 */
import { Duration, Effect, Layer, Schema } from "effect"
import { ClusterSchema, ShardingConfig } from "effect/cluster"
import { SqlClient } from "effect/sql"
import { Activity, DurableClock, Workflow } from "effect/workflow"
import { nameOf } from "./names.ts"

/** The workflow. The name of a parcel stands for one execution: to send it twice is to ask for the same result. */
export const Parcel = Workflow.make("Parcel", {
  payload: { name: Schema.String, wait: Schema.DurationFromMillis },
  idempotencyKey: ({ name }) => name,
  success: Schema.Struct({ packedBy: Schema.String, deliveredBy: Schema.String })
})

const table = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE IF NOT EXISTS parcel_steps (parcel TEXT NOT NULL, step TEXT NOT NULL, runner TEXT NOT NULL)`
})

/** Writes a step down, in the transaction that also keeps its result, and returns the runner that has done it. */
const step = (parcel: string, name: string) =>
  Activity.make({
    name,
    success: Schema.String,
    execute: Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const runner = nameOf((yield* ShardingConfig.ShardingConfig).runnerAddress)
      yield* Effect.orDie(sql`INSERT INTO parcel_steps ${sql.insert({ parcel, step: name, runner })}`)
      return runner
    })
  }).annotate(ClusterSchema.WithTransaction, true)

/** Lets this runner carry parcels. */
export const layer = Parcel.toLayer(
  Effect.fnUntraced(function* ({ name, wait }) {
    const packedBy = yield* step(name, "pack")
    // The clock is in the storage, however short the wait is.
    yield* DurableClock.sleep({ name: "wait", duration: wait, inMemoryThreshold: Duration.zero })
    const deliveredBy = yield* step(name, "deliver")
    return { packedBy, deliveredBy }
  })
).pipe(Layer.provide(Layer.effectDiscard(Effect.orDie(table))))
