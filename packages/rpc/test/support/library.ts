/** A service with a procedure of each kind: what a protocol of Effect RPC has to carry. */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Ref from "effect/Ref"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import type { RpcClientError } from "effect/rpc/RpcClientError"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Schema from "effect/Schema"

/** What the procedures return: a class, so that decoding shows. */
export class Book extends Schema.Class<Book>("test/Book")({ isbn: Schema.String, title: Schema.String }) {}

/** The reader that the middleware finds in the headers. */
export class Reader extends Context.Service<Reader, { readonly card: string; readonly name: string }>()(
  "@qp2p/rpc/test/support/library/Reader"
) {}

export class NoCard extends Schema.TaggedError<NoCard>("test/NoCard")("NoCard", {}) {}

/** Finds the reader, and asks the client for the name. */
export class Admission extends RpcMiddleware.Service<Admission, { provides: Reader }>()("test/Admission", {
  error: NoCard,
  requiredForClient: true
}) {}

/** Counts the calls of a procedure by how they end. */
export class Counting extends RpcMiddleware.Service<Counting>()("test/Counting") {}

const byIsbn = { isbn: Schema.String }

const counts = Schema.Struct({ begun: Schema.Number, ended: Schema.Number, died: Schema.Number })

export const Library = RpcGroup.make(
  Rpc.make("Find", { payload: byIsbn, success: Book }),
  Rpc.make("FindLater", { payload: byIsbn, success: Book }),
  Rpc.make("Search", { payload: byIsbn, success: Schema.Option(Book) }),
  Rpc.make("Shelf", { payload: byIsbn, success: Book, stream: true }),
  Rpc.make("Owner", { success: Schema.Struct({ card: Schema.String, name: Schema.String }) }),
  Rpc.make("shelves.count", { success: Schema.Void }),
  Rpc.make("Burn", {}),
  Rpc.make("BurnSlowly", { defect: Schema.Defect({ includeStack: true }) }),
  Rpc.make("Wait", {}),
  Rpc.make("Counted", { payload: { dies: Schema.Boolean }, success: Schema.Number }).middleware(Counting),
  Rpc.make("Counts", { success: counts })
).middleware(Admission)

/** What the handlers have seen. */
export class Seen extends Context.Service<
  Seen,
  {
    /** How many elements of `Shelf` were taken from the handler. */
    readonly taken: Ref.Ref<number>
    /** Completed when a stream of `Shelf` is over. */
    readonly shelfClosed: Deferred.Deferred<void>
    /** Completed when `Wait` runs, and when it was interrupted. */
    readonly waiting: Deferred.Deferred<void>
    readonly waitInterrupted: Deferred.Deferred<void>
    readonly counts: Ref.Ref<typeof counts.Type>
  }
>()("@qp2p/rpc/test/support/library/Seen") {}

export const layerSeen = Layer.fresh(
  Layer.effect(
    Seen,
    Effect.gen(function* () {
      return {
        taken: yield* Ref.make(0),
        shelfClosed: yield* Deferred.make<void>(),
        waiting: yield* Deferred.make<void>(),
        waitInterrupted: yield* Deferred.make<void>(),
        counts: yield* Ref.make({ begun: 0, ended: 0, died: 0 })
      }
    })
  )
)

const handlers = Library.toLayer(
  Effect.gen(function* () {
    const seen = yield* Seen
    return Library.of({
      Find: ({ isbn }) => Rpc.fork(Effect.map(Reader, ({ name }) => new Book({ isbn, title: `read by ${name}` }))),
      FindLater: ({ isbn }) =>
        Effect.sync(() => {
          const later = Deferred.makeUnsafe<Book>()
          Deferred.doneUnsafe(later, Effect.succeed(new Book({ isbn, title: "Later" })))
          return later
        }),
      Search: ({ isbn }) => Effect.succeed(Option.some(new Book({ isbn, title: "Found" }))),
      Shelf: ({ isbn }) =>
        Effect.gen(function* () {
          const queue = yield* Queue.bounded<Book>(0)
          yield* Effect.addFinalizer(() => Deferred.succeed(seen.shelfClosed, undefined))
          yield* Queue.offer(queue, new Book({ isbn, title: "x".repeat(16_000) })).pipe(
            Effect.andThen(Ref.update(seen.taken, (count) => count + 1)),
            Effect.forever,
            Effect.forkScoped
          )
          return queue
        }),
      Owner: () => Reader,
      "shelves.count": () => Effect.void,
      Burn: () => Effect.die("boom"),
      BurnSlowly: () =>
        Effect.die(Object.assign(new Error("smoke"), { name: "Fire", stack: "Fire: smoke\n  at shelf 3" })),
      Wait: () =>
        Deferred.succeed(seen.waiting, undefined).pipe(
          Effect.andThen(Effect.never),
          Effect.onInterrupt(() => Deferred.succeed(seen.waitInterrupted, undefined))
        ),
      Counted: ({ dies }) => (dies ? Effect.die("boom") : Effect.succeed(1)),
      Counts: () => Ref.get(seen.counts)
    })
  })
)

const admission = Layer.succeed(Admission)(
  Admission.of((effect, { headers }) =>
    headers["card"] === "none"
      ? Effect.fail(new NoCard())
      : Effect.provideService(effect, Reader, { card: headers["card"] ?? "?", name: headers["name"] ?? "?" })
  )
)

const counting = Layer.effect(
  Counting,
  Effect.map(Seen, ({ counts }) => {
    const add = (key: "begun" | "ended" | "died") => Ref.update(counts, (all) => ({ ...all, [key]: all[key] + 1 }))
    return Counting.of((effect) =>
      add("begun").pipe(
        Effect.andThen(effect),
        Effect.tap(() => add("ended")),
        Effect.tapDefect(() => add("died"))
      )
    )
  })
)

/** The server, over a protocol. A defect of a handler is the caller's alone. */
export const layerServer = RpcServer.layer(Library, { disableFatalDefects: true }).pipe(
  Layer.provide([handlers, admission, counting]),
  Layer.provideMerge(layerSeen)
)

/** The client of the service. */
export class LibraryClient extends Context.Service<
  LibraryClient,
  RpcClient.RpcClient<RpcGroup.Rpcs<typeof Library>, RpcClientError>
>()("@qp2p/rpc/test/support/library/LibraryClient") {}

const named = RpcMiddleware.layerClient(Admission, ({ next, request }) =>
  next({ ...request, headers: Headers.set(request.headers, "name", "Ann") })
)

/** The client, over a protocol. */
export const layerClient = Layer.effect(LibraryClient, RpcClient.make(Library)).pipe(Layer.provide(named))
