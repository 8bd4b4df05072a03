// @module-tag platform
/** The `SqlClient` of the example: two connections with one file, as two runners have them. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Sqlite from "../src/Sqlite.ts"

/** Two clients of one new file, with a table. */
const clients = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "qp2p-sqlite-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const open = Effect.map(Layer.build(Layer.fresh(Sqlite.layer(join(folder, "test.db")))), (services) =>
    Context.get(services, SqlClient.SqlClient)
  )
  const [one, two] = [yield* open, yield* open]
  yield* one`CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT UNIQUE, number INTEGER)`
  return { one, two }
})

describe("the client of a SQLite file", () => {
  it.live("waits while another one writes", () =>
    Effect.gen(function* () {
      const { one, two } = yield* clients
      const hasWritten = yield* Deferred.make<void>()
      const mayCommit = yield* Deferred.make<void>()
      const first = yield* one`INSERT INTO items (name) VALUES ('first')`.pipe(
        Effect.andThen(Deferred.succeed(hasWritten, undefined)),
        Effect.andThen(Deferred.await(mayCommit)),
        one.withTransaction,
        Effect.forkChild
      )
      yield* Deferred.await(hasWritten)
      const second = yield* two`INSERT INTO items (name) SELECT 'after ' || name FROM items`.pipe(
        two.withTransaction,
        Effect.forkChild
      )
      // Both connections are of this process, which must go on for the first one to end.
      yield* Effect.sleep("30 millis")
      assert.strictEqual(second.pollUnsafe(), undefined)
      yield* Deferred.succeed(mayCommit, undefined)
      yield* Fiber.join(first)
      yield* Fiber.join(second)
      assert.deepStrictEqual(yield* two`SELECT name FROM items ORDER BY id`.values, [["first"], ["after first"]])
    }).pipe(Effect.scoped)
  )

  it.live("keeps nothing of a transaction that fails", () =>
    Effect.gen(function* () {
      const { one, two } = yield* clients
      const exit = yield* one`INSERT INTO items (name) VALUES ('lost')`.pipe(
        Effect.andThen(Effect.fail("no")),
        one.withTransaction,
        Effect.exit
      )
      assert.deepStrictEqual(exit, Exit.fail("no"))
      assert.deepStrictEqual(yield* two`SELECT name FROM items`, [])
    }).pipe(Effect.scoped)
  )

  it.live("tells a duplicate from other errors", () =>
    Effect.gen(function* () {
      const { one } = yield* clients
      const insert = one`INSERT INTO items (name) VALUES ('once') RETURNING id`
      yield* insert
      assert.strictEqual((yield* Effect.flip(insert)).reason._tag, "UniqueViolation")
      assert.strictEqual((yield* Effect.flip(one`SELECT nonsense`)).reason._tag, "UnknownError")
    }).pipe(Effect.scoped)
  )

  it.live("takes booleans, times and nothing, and gives integers of 64 bits when asked to", () =>
    Effect.gen(function* () {
      const { one } = yield* clients
      // @effect-diagnostics-next-line globalDateInEffect:off -- what a program gives to SQL
      const time = new Date(0)
      assert.deepStrictEqual(yield* one`SELECT ${true} AS yes, ${time} AS time, ${null} AS none`.values, [
        [1, time.toISOString(), null]
      ])
      const large = yield* one`SELECT 9007199254740993 AS large`.values.pipe(
        Effect.provideService(SqlClient.SafeIntegers, true)
      )
      assert.deepStrictEqual(large, [[9007199254740993n]])
    }).pipe(Effect.scoped)
  )
})
