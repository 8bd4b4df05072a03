/** What the runners have written into the file that they share. */
import { Context, Effect, Layer, type Scope } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import * as Sqlite from "../../src/Sqlite.ts"

/** A step of a parcel. */
export interface Step {
  readonly parcel: string
  readonly step: string
  readonly runner: string
}

/** A beat, at the time when it was due. */
export interface Beat {
  readonly time: string
  readonly runner: string
}

export interface Database {
  /** The steps of all parcels, in the order in which they were done. */
  readonly steps: Effect.Effect<ReadonlyArray<Step>>
  /** The beats, by their time. */
  readonly beats: Effect.Effect<ReadonlyArray<Beat>>
}

/** Opens the file of a cluster whose runners have started. */
export const look = (database: string): Effect.Effect<Database, SqlError.SqlError, Scope.Scope> =>
  Effect.map(Layer.build(Sqlite.layer(database)), (services) => {
    const sql = Context.get(services, SqlClient.SqlClient)
    return {
      steps: Effect.orDie(sql<Step>`SELECT parcel, step, runner FROM parcel_steps ORDER BY rowid`),
      beats: Effect.orDie(sql<Beat>`SELECT time, runner FROM beats ORDER BY time`)
    }
  })
