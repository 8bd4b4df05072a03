/**
 * Effect's `SqlClient` over one SQLite file that several processes share. It uses `node:sqlite` where Node has it, and
 * `@photostructure/sqlite`, which has the same API and brings its binaries, on older versions of Node.
 *
 * `node:sqlite` is synchronous: a statement holds up the process while it runs. So a process that finds the file locked by
 * another one waits in Effect's scheduler, not in SQLite, and its connections stay alive meanwhile.
 */
import type { DatabaseSyncInstance, StatementSyncInstance } from "@photostructure/sqlite"
import { Context, Effect, Layer, Schedule, Semaphore, Stream } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient, SqlError, Statement, type SqlConnection } from "effect/sql"

/** The part of `node:sqlite` that is used here. */
interface Driver {
  readonly DatabaseSync: new (filename: string, options: { readonly timeout: number }) => DatabaseSyncInstance
}

/** How long SQLite itself waits for a lock, in milliseconds: a transaction of another process takes less, as a rule. */
const busyTimeout = 5

/** How a statement that found the file locked is tried again. */
const whileLocked = {
  while: ({ reason }: SqlError.SqlError) => reason._tag === "LockTimeoutError",
  schedule: Schedule.spaced("2 millis").pipe(Schedule.jittered, Schedule.upTo({ duration: "10 seconds" }))
}

/** The most prepared statements that are kept. The statements of Effect Cluster are fewer. */
const maxPrepared = 256

/** SQLite's code of an error. `@photostructure/sqlite` gives only the text for some of them. */
const codeOf = (error: Error): unknown => {
  if ("errcode" in error) return error.errcode
  if (error.message.startsWith("database is locked")) return 5
  return error.message.startsWith("UNIQUE constraint failed") ? 2067 : undefined
}

const failure = (cause: unknown, operation: string) => {
  const told = cause instanceof Error ? Object.assign(cause, { errno: codeOf(cause) }) : cause
  const message = cause instanceof Error ? cause.message : String(cause)
  return new SqlError.SqlError({ reason: SqlError.classifySqliteError(told, { message, operation }) })
}

const load = Effect.tryPromise({
  // @effect-diagnostics-next-line asyncFunction:off -- a module is loaded, or another one
  try: async (): Promise<Driver> => {
    const builtIn = process.getBuiltinModule?.("node:sqlite") as (Driver & { StatementSync: Function }) | undefined
    // The first versions of Node with the module give no rows as arrays.
    if (builtIn !== undefined && "setReturnArrays" in builtIn.StatementSync.prototype) return builtIn
    return await import("@photostructure/sqlite")
  },
  catch: (cause) => failure(cause, "load")
})

/** What SQLite takes as a parameter. */
const parameter = (value: unknown) =>
  typeof value === "boolean" ? Number(value) : value instanceof Date ? value.toISOString() : (value ?? null)

/** The connection of this process with the file. */
const connect = (database: DatabaseSyncInstance): SqlConnection.Connection => {
  const prepared = new Map<string, StatementSyncInstance>()
  const prepare = (sql: string, isKept: boolean) => {
    const statement = prepared.get(sql) ?? database.prepare(sql)
    if (!isKept) return statement
    prepared.delete(sql)
    prepared.set(sql, statement)
    if (prepared.size > maxPrepared) prepared.delete(prepared.keys().next().value!)
    return statement
  }

  const run = <A extends object>(sql: string, params: ReadonlyArray<unknown>, asArrays: boolean, isKept: boolean) =>
    Effect.withFiber<ReadonlyArray<A>, SqlError.SqlError>((fiber) =>
      Effect.try({
        try: () => {
          const statement = prepare(sql, isKept)
          statement.setReadBigInts(Context.get(fiber.context, SqlClient.SafeIntegers))
          statement.setReturnArrays(asArrays)
          return statement.all(...(params.map(parameter) as Array<string>)) as Array<A>
        },
        catch: (cause) => failure(cause, "execute")
      })
    ).pipe(Effect.retry(whileLocked))

  return {
    execute: (sql, params, transform) => {
      const rows = run(sql, params, false, true)
      return transform === undefined ? rows : Effect.map(rows, transform)
    },
    executeRaw: (sql, params) => run(sql, params, false, true),
    executeValues: (sql, params) => run(sql, params, true, true),
    executeValuesUnprepared: (sql, params) => run(sql, params, true, false),
    executeUnprepared: (sql, params, transform) => {
      const rows = run(sql, params, false, false)
      return transform === undefined ? rows : Effect.map(rows, transform)
    },
    executeStream: (sql, params, transform) => {
      const rows = run(sql, params, false, true)
      return Stream.unwrap(
        Effect.map(rows, (all) => Stream.fromIterable(transform === undefined ? all : transform(all)))
      )
    }
  }
}

const make = Effect.fnUntraced(function* (filename: string) {
  const { DatabaseSync } = yield* load
  const database = yield* Effect.acquireRelease(
    Effect.try({
      try: () => new DatabaseSync(filename, { timeout: busyTimeout }),
      catch: (cause) => failure(cause, "open")
    }),
    (opened) => Effect.sync(() => opened.close())
  )
  const connection = connect(database)
  // A write-ahead log: readers never wait for the writer. It survives the death of a process at any moment.
  yield* connection.executeUnprepared("PRAGMA journal_mode = WAL", [], undefined)
  yield* connection.executeUnprepared("PRAGMA synchronous = NORMAL", [], undefined)

  return yield* SqlClient.make({
    ...SqlClient.makeSqliteAcquirers({
      connection: Effect.succeed(connection),
      semaphore: Semaphore.makeUnsafe(1),
      isTransaction: () => database.isTransaction
    }),
    compiler: Statement.makeCompilerSqlite(),
    driver: "sqlite-node",
    spanAttributes: [],
    // A transaction takes the lock for writing at once. One that began as a reader could find that another process has
    // written since, and would fail.
    beginTransaction: "BEGIN IMMEDIATE"
  })
})

/** Provides a `SqlClient` with a SQLite file, which is made when there is none. */
export const layer = (filename: string): Layer.Layer<SqlClient.SqlClient, SqlError.SqlError> =>
  Layer.effect(SqlClient.SqlClient, make(filename)).pipe(Layer.provide(Reactivity.layer))
