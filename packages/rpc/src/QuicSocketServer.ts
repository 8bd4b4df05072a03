/**
 * A `SocketServer` of Effect whose sockets are streams that the peers of an endpoint open.
 *
 * @stability unstable
 * @since 0.1.0
 */
import { Endpoint } from "@qp2p/core/Endpoint"
import { func, type Fields, integer, ofValue, optional, text, untyped } from "@qp2p/core/InvalidArgument"
import type { ProtocolStream, ProtocolTaken } from "@qp2p/core/Protocol"
import { ConnectionLost, StreamLost } from "@qp2p/core/SendError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"
import * as limits from "./internal/limits.ts"
import { unservable } from "./internal/server/unservable.ts"
import { Caller } from "./QuicRpc.ts"

/**
 * The options of a socket server.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The name that the endpoint serves: 1 to 255 bytes of UTF-8. Default `"effect-socket"`. Each server needs a name of its own. */
  readonly protocol?: string | undefined
  /** The most sockets at once, as in `Endpoint.serveProtocol`. A further one is refused. */
  readonly maxStreams?: number | undefined
  /** The most sockets at once with one peer, as in `Endpoint.serveProtocol`. */
  readonly maxStreamsPerPeer?: number | undefined
}

const count = optional(integer(1, 2 ** 31 - 1))

const fields: Fields = { protocol: optional(text), maxStreams: count, maxStreamsPerPeer: count }

/** Runs the handler of the server for one stream. */
type Accept = (stream: ProtocolStream) => Effect.Effect<void, Loss>

/** The end of a stream that is the peer's doing or the network's. */
type Loss = StreamLost | ConnectionLost

const isClose = (error: unknown): error is Socket.SocketError =>
  (error as Socket.SocketError | undefined)?._tag === "SocketError" &&
  (error as Socket.SocketError).reason._tag === "SocketCloseError"

/** The loss that is behind a failure of a socket. The endpoint does not take it for a failure of the handler. */
const lossOf = (error: unknown): Loss | undefined => {
  const reason: { readonly cause?: unknown } | undefined =
    (error as Socket.SocketError | undefined)?._tag === "SocketError" ? (error as Socket.SocketError).reason : undefined
  const cause = reason?.cause
  return cause instanceof StreamLost || cause instanceof ConnectionLost ? cause : undefined
}

/**
 * Makes a socket server, and serves its name until the scope closes. Fails with `ProtocolTaken` when the endpoint serves the name
 * already, and, with a `reason`, when an option is wrong. `address` is the local address of the endpoint.
 *
 * `run` runs the handler for each socket. The fiber of a handler has `QuicRpc.Caller`, the id of the peer. Streams that arrive before
 * `run` wait, unread. The end of a handler ends its stream; a failure that is not the close of the socket resets it and is logged:
 * as a warning, or for debugging when the stream or the connection was lost. The end of `run` interrupts its handlers.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options?: Options
): Effect.Effect<SocketServer.SocketServer["Service"], ProtocolTaken, Endpoint | Scope.Scope> =>
  Effect.suspend(() => {
    const wrong = unservable(options, fields, limits.socketProtocol)
    return wrong === undefined ? serve(options) : Effect.fail(wrong)
  })

const serve = Effect.fnUntraced(function* (options: Options | undefined) {
  const endpoint = yield* Endpoint
  /** What runs the handlers of the `run`s that are not over. The latest takes all streams. */
  let runs: ReadonlyArray<Accept> = []
  const running = Latch.makeUnsafe(false)
  const latest: Effect.Effect<Accept> = Effect.suspend(() => {
    const accept = runs.at(-1)
    return accept === undefined ? running.whenOpen(latest) : Effect.succeed(accept)
  })

  yield* endpoint.serveProtocol(
    options?.protocol ?? limits.socketProtocol,
    (stream) => Effect.flatMap(latest, (accept) => accept(stream)),
    { maxStreams: options?.maxStreams, maxStreamsPerPeer: options?.maxStreamsPerPeer }
  )

  const run = <R, E, _>(handler: (socket: Socket.Socket) => Effect.Effect<_, E, R>): Effect.Effect<never, never, R> =>
    Effect.contextWith((context: Context.Context<R>) => {
      const wrong = ofValue("handler", handler, func)
      if (wrong !== undefined) return untyped(wrong)
      const scope = Scope.makeUnsafe()
      const services = Context.omit(Scope.Scope)(context) as Context.Context<R>
      const accept: Accept = (stream) =>
        Effect.suspend(() => handler(stream.toSocket())).pipe(
          Effect.asVoid,
          // Every socket ends with a close: that is no failure of the handler.
          Effect.catchIf(isClose, () => Effect.void),
          // The endpoint logs it, and resets the stream.
          Effect.catch((error) => {
            const loss = lossOf(error)
            return loss === undefined ? Effect.die(error) : Effect.fail(loss)
          }),
          Effect.provideContext(Context.add(services, Caller, stream.peerId)),
          Effect.forkIn(scope, { startImmediately: true }),
          Effect.flatMap(Fiber.join)
        )
      const begun = Effect.suspend(() => {
        runs = [...runs, accept]
        running.openUnsafe()
        return Effect.never
      })
      return Effect.ensuring(
        begun,
        Effect.suspend(() => {
          runs = runs.filter((one) => one !== accept)
          if (runs.length === 0) running.closeUnsafe()
          return Scope.close(scope, Exit.void)
        })
      )
    })

  return SocketServer.SocketServer.of({ address: endpoint.localAddress, run })
})

/**
 * A socket server over the endpoint, as `make` makes it.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<SocketServer.SocketServer, ProtocolTaken, Endpoint> =>
  Layer.effect(SocketServer.SocketServer)(make(options))
