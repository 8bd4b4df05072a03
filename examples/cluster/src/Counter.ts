/** The entities of the example: counters, each of which lives in one runner at a time. */
import { Effect, Layer, Schema } from "effect"
import { ClusterSchema, Entity, type Sharding } from "effect/cluster"
import { Rpc } from "effect/rpc"
import { SqlClient } from "effect/sql"

/** The number of a counter, and the runner that has told it. */
export class Count extends Schema.Class<Count>("Count")({
  value: Schema.Int,
  runner: Schema.String
}) {}

/**
 * A counter. `Add` is kept in the storage until it is done, and is done once: the new number and the answer are written in one
 * transaction. `key` tells a repeated call from a new one. `Read` is not kept; its answer comes straight from the runner.
 */
export const Counter = Entity.make("Counter", [
  Rpc.make("Add", {
    payload: { key: Schema.String, amount: Schema.Int },
    primaryKey: ({ key }) => key,
    success: Count
  })
    .annotate(ClusterSchema.Persisted, true)
    .annotate(ClusterSchema.WithTransaction, true),
  Rpc.make("Read", { success: Count })
])

/** The table with the numbers. */
const table = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE IF NOT EXISTS counters (id TEXT PRIMARY KEY, value INTEGER NOT NULL)`
})

const handlers = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { entityId } = yield* Entity.CurrentAddress
  const { host, port } = yield* Entity.CurrentRunnerAddress
  const runner = `${host}:${port}`
  const count = (rows: ReadonlyArray<{ readonly value: number }>) => new Count({ value: rows[0]?.value ?? 0, runner })
  return Counter.of({
    Add: ({ payload: { amount } }) =>
      sql<{ readonly value: number }>`
        INSERT INTO counters (id, value) VALUES (${entityId}, ${amount})
        ON CONFLICT (id) DO UPDATE SET value = value + excluded.value
        RETURNING value
      `.pipe(Effect.map(count), Effect.orDie),
    Read: () =>
      sql<{ readonly value: number }>`SELECT value FROM counters WHERE id = ${entityId}`.pipe(
        Effect.map(count),
        Effect.orDie
      )
  })
})

/** Lets this runner host counters. */
export const layer: Layer.Layer<never, never, Sharding.Sharding | SqlClient.SqlClient> = Counter.toLayer(handlers).pipe(
  Layer.provide(Layer.effectDiscard(Effect.orDie(table)))
)
