/**
 * What every protocol of Effect RPC has to do, over endpoints in memory and over QUIC, with each serialization. The demands are those of
 * Effect's own tests of its protocols.
 */
// @module-tag platform
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Stream from "effect/Stream"
import * as QuicRpcClient from "../src/QuicRpcClient.ts"
import * as QuicRpcServer from "../src/QuicRpcServer.ts"
import * as QuicSocket from "../src/QuicSocket.ts"
import * as QuicSocketServer from "../src/QuicSocketServer.ts"
import * as library from "./support/library.ts"
import { Book, LibraryClient, NoCard, Seen } from "./support/library.ts"
import * as places from "./support/places.ts"

/** Declares the tests for one protocol. */
const suite = <E>({ effect }: Pick<typeof it, "effect">, layer: Layer.Layer<LibraryClient | Seen, E>): void => {
  const it = { effect }

  it.effect("returns what the handler returns, with what the client's middleware has added", () =>
    Effect.gen(function* () {
      const client = yield* LibraryClient
      const book = yield* client.Find({ isbn: "1" })
      assert.instanceOf(book, Book)
      assert.deepStrictEqual(book, new Book({ isbn: "1", title: "read by Ann" }))
    }).pipe(Effect.provide(layer))
  )

  it.effect("returns what the handler has deferred", () =>
    Effect.gen(function* () {
      const client = yield* LibraryClient
      assert.deepStrictEqual(yield* client.FindLater({ isbn: "2" }), new Book({ isbn: "2", title: "Later" }))
    }).pipe(Effect.provide(layer))
  )

  it.effect("carries procedures with a dot in their names, and empty answers", () =>
    Effect.gen(function* () {
      const client = yield* LibraryClient
      assert.isUndefined(yield* client["shelves.count"]())
    }).pipe(Effect.provide(layer))
  )

  it.effect("keeps an Option as it is", () =>
    Effect.gen(function* () {
      const client = yield* LibraryClient
      const found = yield* client.Search({ isbn: "3" })
      assert.deepStrictEqual(found, Option.some(new Book({ isbn: "3", title: "Found" })))
    }).pipe(Effect.provide(layer))
  )

  it.effect("carries headers, and the typed failure of a middleware", () =>
    Effect.gen(function* () {
      const client = yield* LibraryClient
      const owner = yield* RpcClient.withHeaders(client.Owner(), { card: "123" })
      assert.deepStrictEqual(owner, { card: "123", name: "Ann" })
      const failed = yield* Effect.flip(RpcClient.withHeaders(client.Owner(), { card: "none" }))
      assert.instanceOf(failed, NoCard)
    }).pipe(Effect.provide(layer))
  )

  it.effect("holds back a stream that is not read, and ends it with its reader", () =>
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
    }).pipe(Effect.provide(layer))
  )

  it.effect("carries a defect", () =>
    Effect.gen(function* () {
      const client = yield* LibraryClient
      assert.deepStrictEqual(yield* Effect.flip(Effect.sandbox(client.Burn())), Cause.die("boom"))
      // And again: by then the procedure may share a stream.
      assert.deepStrictEqual(yield* Effect.flip(Effect.sandbox(client.Burn())), Cause.die("boom"))
    }).pipe(Effect.provide(layer))
  )

  it.effect("carries a defect by the schema of the procedure", () =>
    Effect.gen(function* () {
      const client = yield* LibraryClient
      const defect = Cause.squash(yield* Effect.flip(Effect.sandbox(client.BurnSlowly())))
      assert.instanceOf(defect, Error)
      assert.strictEqual(defect.name, "Fire")
      assert.strictEqual(defect.message, "smoke")
      assert.strictEqual(defect.stack, "Fire: smoke\n  at shelf 3")
    }).pipe(Effect.provide(layer))
  )

  it.effect("interrupts the handler with the call", () =>
    Effect.gen(function* () {
      const client = yield* LibraryClient
      const seen = yield* Seen
      const call = yield* Effect.forkChild(client.Wait())
      yield* Deferred.await(seen.waiting)
      assert.isUndefined(call.pollUnsafe())
      yield* Fiber.interrupt(call)
      yield* Deferred.await(seen.waitInterrupted)
    }).pipe(Effect.provide(layer))
  )

  it.effect("runs the middleware of a procedure around its handler", () =>
    Effect.gen(function* () {
      const client = yield* LibraryClient
      assert.strictEqual(yield* client.Counted({ dies: false }), 1)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(client.Counted({ dies: true }))))
      assert.deepStrictEqual(yield* client.Counts(), { begun: 2, ended: 1, died: 1 })
    }).pipe(Effect.provide(layer))
  )

  it.effect("answers a hundred calls at a time, each with its own answer", () =>
    Effect.gen(function* () {
      const client = yield* LibraryClient
      const isbns = Array.from({ length: 300 }, (_, index) => `${index}`)
      const books = yield* Effect.forEach(isbns, (isbn) => client.Find({ isbn }), { concurrency: 100 })
      assert.deepStrictEqual(
        books.map(({ isbn }) => isbn),
        isbns
      )
    }).pipe(Effect.provide(layer))
  )
}

const client = Layer.unwrap(
  Effect.map(places.Pair, ({ two }) =>
    library.layerClient.pipe(Layer.provide(QuicRpcClient.layerProtocol(two.peerAddress)))
  )
).pipe(Layer.provide(places.caller))

const server = library.layerServer.pipe(Layer.provide(QuicRpcServer.layerProtocol()), Layer.provide(places.server))

const calls = <E>(pair: Layer.Layer<places.Pair, E>, serialization: Layer.Layer<RpcSerialization.RpcSerialization>) =>
  Layer.merge(client, server).pipe(Layer.provide(serialization), Layer.provide(pair))

const socketClient = Layer.unwrap(
  Effect.map(places.Pair, ({ two }) =>
    library.layerClient.pipe(
      Layer.provide(RpcClient.layerProtocolSocket()),
      Layer.provide(QuicSocket.layer(two.peerAddress))
    )
  )
).pipe(Layer.provide(places.caller))

const socketServer = library.layerServer.pipe(
  Layer.provide(RpcServer.layerProtocolSocketServer),
  Layer.provide(QuicSocketServer.layer()),
  Layer.provide(places.server)
)

const sockets = <E>(pair: Layer.Layer<places.Pair, E>) =>
  Layer.merge(socketClient, socketServer).pipe(Layer.provide(RpcSerialization.layerNdjson), Layer.provide(pair))

const live = { effect: it.live }

describe("RPC in memory with NDJSON", () => {
  suite(it, calls(places.inMemory(), RpcSerialization.layerNdjson))
})

describe("RPC in memory with SchemaBinary", () => {
  suite(it, calls(places.inMemory(), RpcSerialization.layerSchemaBinary()))
})

describe("RPC in memory with NDJSON-RPC", () => {
  suite(it, calls(places.inMemory(), RpcSerialization.layerNdJsonRpc()))
})

describe("RPC in memory with JSON, which has no frames of its own", () => {
  suite(it, calls(places.inMemory(), RpcSerialization.layerJson))
})

describe("RPC in memory with JSON-RPC, which has no frames of its own", () => {
  suite(it, calls(places.inMemory(), RpcSerialization.layerJsonRpc()))
})

describe("RPC over QUIC with NDJSON", () => {
  suite(live, calls(places.onLoopback(), RpcSerialization.layerNdjson))
})

describe("RPC over QUIC with SchemaBinary", () => {
  suite(live, calls(places.onLoopback(), RpcSerialization.layerSchemaBinary()))
})

describe("Effect's own protocols over sockets in memory", () => {
  suite(it, sockets(places.inMemory()))
})

describe("Effect's own protocols over sockets of QUIC", () => {
  suite(live, sockets(places.onLoopback()))
})
