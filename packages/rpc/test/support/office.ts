/** A small service whose handlers tests can watch and hold, and what its server holds for its callers. */
import * as Endpoint from "@qp2p/core/Endpoint"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import type * as Scope from "effect/Scope"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as PeerAddress from "@qp2p/core/PeerAddress"
import * as serverProtocol from "../../src/internal/server/serverProtocol.ts"
import * as QuicRpc from "../../src/QuicRpc.ts"
import * as QuicRpcClient from "../../src/QuicRpcClient.ts"
import * as places from "./places.ts"
import type { Service } from "./places.ts"

/** Text with a check that throws, as one runs out of stack at a value that is too deep. */
const Picky = Schema.String.check(
  Schema.makeFilter((text) => {
    if (text === "throw") throw new Error("not this text")
    return true
  })
)

export const Office = RpcGroup.make(
  Rpc.make("Echo", { payload: { text: Schema.String }, success: Schema.String }),
  /** An answer of so many characters. */
  Rpc.make("Long", { payload: { length: Schema.Number }, success: Schema.String }),
  /** The numbers from 1. */
  Rpc.make("UpTo", { payload: { count: Schema.Number }, success: Schema.Number, stream: true }),
  /** Numbers without end. */
  Rpc.make("Count", { success: Schema.Number, stream: true }),
  /** Text without end, in pieces of 16,000 characters. */
  Rpc.make("Pour", { success: Schema.String, stream: true }),
  /** One short text. When the test lets it go, numbered texts of so many characters, without end. */
  Rpc.make("Swell", { payload: { length: Schema.Number }, success: Schema.String, stream: true }),
  /** Waits for ever, or until the test lets it go. */
  Rpc.make("Hold", { success: Schema.String }),
  Rpc.make("Picky", { payload: { text: Picky }, success: Picky }),
  Rpc.make("Who", { success: Schema.String }),
  Rpc.make("Fail", {})
).middleware(QuicRpc.Authenticated)

/** What the handlers have seen. */
export interface Watch {
  /** The handlers of `Hold` and the streams that run. */
  running: number
  /** Those that were interrupted. */
  interrupted: number
  /** How many elements the streams have made. */
  made: number
  readonly letGo: Deferred.Deferred<string>
}

const handlers = (watch: Watch) => {
  const watched = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      watch.running++
      return Effect.onExit(effect, (exit) =>
        Effect.sync(() => {
          watch.running--
          if (exit._tag === "Failure") watch.interrupted++
        })
      )
    })
  const made = <A>(value: A) =>
    Effect.sync(() => {
      watch.made++
      return value
    })
  const endless = <A>(next: Effect.Effect<A>) =>
    Stream.unwrap(
      Effect.map(
        Effect.acquireRelease(
          Effect.sync(() => watch.running++),
          () =>
            Effect.sync(() => {
              watch.running--
              watch.interrupted++
            })
        ),
        () => Stream.fromEffectRepeat(next)
      )
    )
  return Office.toLayer({
    Echo: ({ text }) => Effect.succeed(text),
    Long: ({ length }) => Effect.succeed("x".repeat(length)),
    UpTo: ({ count }) =>
      Stream.take(
        Stream.iterate(1, (number) => number + 1),
        count
      ),
    Count: () => endless(made(1)),
    Pour: () => endless(made("y".repeat(16_000))),
    Swell: ({ length }) => {
      let number = 0
      return Stream.concat(
        Stream.succeed("first"),
        Stream.unwrap(
          Effect.as(
            Deferred.await(watch.letGo),
            Stream.fromEffectRepeat(Effect.sync(() => `${++number}`.padStart(10, "0").padEnd(length, "z")))
          )
        )
      ).pipe((texts) =>
        Stream.unwrap(
          Effect.as(
            Effect.acquireRelease(
              Effect.sync(() => watch.running++),
              () => Effect.sync(() => watch.running--)
            ),
            texts
          )
        )
      )
    },
    Hold: () => watched(Deferred.await(watch.letGo)),
    Picky: ({ text }) => Effect.succeed(text),
    Who: () => QuicRpc.Caller,
    Fail: () => Effect.die("boom")
  })
}

/** A server that runs at an endpoint. */
export interface Running {
  readonly watch: Watch
  readonly protocol: RpcServer.Protocol["Service"]
  /** What the server holds for its callers. */
  readonly held: () => serverProtocol.Held
}

/** Serves the office at an endpoint until the scope closes. */
export const serve = (endpoint: Service, given?: serverProtocol.Given) =>
  Effect.gen(function* () {
    const watch: Watch = { running: 0, interrupted: 0, made: 0, letGo: yield* Deferred.make<string>() }
    const { held, protocol } = yield* serverProtocol
      .make(serverProtocol.settingsOf(given))
      .pipe(Effect.provideService(Endpoint.Endpoint, endpoint))
    yield* Layer.build(
      RpcServer.layer(Office).pipe(
        Layer.provide([handlers(watch), QuicRpc.layerAuthenticated, Layer.succeed(RpcServer.Protocol)(protocol)])
      )
    )
    const running: Running = { watch, protocol, held }
    return running
  })

/** A client of the office at a peer, until the scope closes. */
export const client = (endpoint: Service, peer: PeerAddress.Input, options?: QuicRpcClient.Options) =>
  Effect.gen(function* () {
    const protocol = yield* Effect.provideService(
      QuicRpcClient.makeProtocol(peer, options),
      Endpoint.Endpoint,
      endpoint
    )
    return yield* Effect.provideService(RpcClient.make(Office), RpcClient.Protocol, protocol)
  })

export type Client = Effect.Success<ReturnType<typeof client>>

/** Waits until something is so, for some thousand turns. */
export const until = (isSo: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (let turn = 0; turn < 20_000 && !isSo(); turn++) yield* Effect.yieldNow
    if (!isSo()) return yield* Effect.die(new Error("it has not come to that"))
  })

/** What a server holds when no peer is connected. */
export const nothing: serverProtocol.Held = {
  calls: 0,
  peers: 0,
  streams: 0,
  tickets: 0,
  connections: 0,
  bufferedBytes: 0,
  unsentBytes: 0
}

export const layer = RpcSerialization.layerNdjson

/** Lets others run so many times. */
export const turns = (count: number): Effect.Effect<void> =>
  Effect.forEach(Array.from({ length: count }), () => Effect.yieldNow, { discard: true })

/** Runs a test with two endpoints on a network in memory of its own. */
export const onNetwork = <A, E>(
  effect: Effect.Effect<A, E, places.Needs | RpcSerialization.RpcSerialization | Scope.Scope>
): Effect.Effect<A, unknown> => effect.pipe(Effect.scoped, Effect.provide([places.inMemory(), layer]))
