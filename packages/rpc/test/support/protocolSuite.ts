/**
 * What every protocol of Effect RPC has to do. The demands are those of Effect's own tests of its protocols.
 */
import { assert, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as RpcClient from "effect/rpc/RpcClient"
import * as Stream from "effect/Stream"
import { Book, LibraryClient, NoCard, Seen } from "./library.ts"

/** Declares the tests for one protocol. `run` is `it.effect` or `it.live`. */
export const protocolSuite = <E>(
  layer: Layer.Layer<LibraryClient | Seen, E>,
  run: typeof it.effect = it.effect
): void => {
  const test = <A, F>(title: string, body: Effect.Effect<A, F, LibraryClient | Seen>) =>
    run(title, () => Effect.provide(body, layer))

  test(
    "returns what the handler returns, with what the client's middleware has added",
    Effect.gen(function* () {
      const client = yield* LibraryClient
      const book = yield* client.Find({ isbn: "1" })
      assert.instanceOf(book, Book)
      assert.deepStrictEqual(book, new Book({ isbn: "1", title: "read by Ann" }))
    })
  )

  test(
    "returns what the handler has deferred",
    Effect.gen(function* () {
      const client = yield* LibraryClient
      assert.deepStrictEqual(yield* client.FindLater({ isbn: "2" }), new Book({ isbn: "2", title: "Later" }))
    })
  )

  test(
    "carries procedures with a dot in their names, and empty answers",
    Effect.gen(function* () {
      const client = yield* LibraryClient
      assert.isUndefined(yield* client["shelves.count"]())
    })
  )

  test(
    "keeps an Option as it is",
    Effect.gen(function* () {
      const client = yield* LibraryClient
      const found = yield* client.Search({ isbn: "3" })
      assert.deepStrictEqual(found, Option.some(new Book({ isbn: "3", title: "Found" })))
    })
  )

  test(
    "carries headers, and the typed failure of a middleware",
    Effect.gen(function* () {
      const client = yield* LibraryClient
      const owner = yield* RpcClient.withHeaders(client.Owner(), { card: "123" })
      assert.deepStrictEqual(owner, { card: "123", name: "Ann" })
      const failed = yield* Effect.flip(RpcClient.withHeaders(client.Owner(), { card: "none" }))
      assert.instanceOf(failed, NoCard)
    })
  )

  test(
    "holds back a stream that is not read, and ends it with its reader",
    Effect.gen(function* () {
      const client = yield* LibraryClient
      const seen = yield* Seen
      const books = yield* client.Shelf({ isbn: "4" }).pipe(
        Stream.take(5),
        Stream.tap(() => Effect.yieldNow),
        Stream.runCollect
      )
      assert.lengthOf(books, 5)
      assert.instanceOf(books[0], Book)
      yield* Deferred.await(seen.shelfClosed)

      // A reader that takes one element and then no more: the handler stops, sooner or later.
      const taken = yield* Ref.get(seen.taken)
      const first = yield* Deferred.make<void>()
      const reader = yield* client.Shelf({ isbn: "5" }).pipe(
        Stream.runForEach(() => Effect.andThen(Deferred.succeed(first, undefined), Effect.never)),
        Effect.forkChild
      )
      yield* Deferred.await(first)
      let before = -1
      for (let now = taken; now !== before; now = yield* Ref.get(seen.taken)) {
        before = now
        for (let turn = 0; turn < 2_000; turn++) yield* Effect.yieldNow
      }
      // Sixteen kilobytes each: what windows and buffers hold, not what the handler could make.
      assert.isBelow(before - taken, 200)
      yield* Fiber.interrupt(reader)
    })
  )

  test(
    "carries a defect",
    Effect.gen(function* () {
      const client = yield* LibraryClient
      assert.deepStrictEqual(yield* Effect.flip(Effect.sandbox(client.Burn())), Cause.die("boom"))
      // And again: by then the procedure may share a stream.
      assert.deepStrictEqual(yield* Effect.flip(Effect.sandbox(client.Burn())), Cause.die("boom"))
    })
  )

  test(
    "carries a defect by the schema of the procedure",
    Effect.gen(function* () {
      const client = yield* LibraryClient
      const defect = Cause.squash(yield* Effect.flip(Effect.sandbox(client.BurnSlowly())))
      assert.instanceOf(defect, Error)
      assert.strictEqual(defect.name, "Fire")
      assert.strictEqual(defect.message, "smoke")
      assert.strictEqual(defect.stack, "Fire: smoke\n  at shelf 3")
    })
  )

  test(
    "interrupts the handler with the call",
    Effect.gen(function* () {
      const client = yield* LibraryClient
      const seen = yield* Seen
      const call = yield* Effect.forkChild(client.Wait())
      yield* Deferred.await(seen.waiting)
      assert.isUndefined(call.pollUnsafe())
      yield* Fiber.interrupt(call)
      yield* Deferred.await(seen.waitInterrupted)
    })
  )

  test(
    "runs the middleware of a procedure around its handler",
    Effect.gen(function* () {
      const client = yield* LibraryClient
      assert.strictEqual(yield* client.Counted({ dies: false }), 1)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(client.Counted({ dies: true }))))
      assert.deepStrictEqual(yield* client.Counts(), { begun: 2, ended: 1, died: 1 })
    })
  )

  test(
    "answers a hundred calls at a time, each with its own answer",
    Effect.gen(function* () {
      const client = yield* LibraryClient
      const isbns = Array.from({ length: 300 }, (_, index) => `${index}`)
      const books = yield* Effect.forEach(isbns, (isbn) => client.Find({ isbn }), { concurrency: 100 })
      assert.deepStrictEqual(
        books.map(({ isbn }) => isbn),
        isbns
      )
    })
  )
}
