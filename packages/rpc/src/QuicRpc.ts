/**
 * The peer that calls: a service in the fiber of each request that arrives over QUIC.
 *
 * A peer has proven its key before its first request, so a handler that knows the caller's id needs no password and no token.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { PeerId } from "@qp2p/core/PeerId"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcMiddleware from "effect/rpc/RpcMiddleware"

/**
 * The id of the peer that sent the request. It has no default: only the fibers of requests that arrive over an endpoint have
 * it, those of `QuicRpcServer` and of the sockets of `QuicSocketServer`.
 *
 * To use it in a handler, add the middleware `Authenticated` to the group.
 *
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export class Caller extends Context.Service<Caller, PeerId>()("@qp2p/rpc/QuicRpc/Caller") {}

/**
 * The middleware that provides `Caller` to the handlers of a group. `QuicRpcServer.layerProtocol` brings its implementation;
 * with another protocol, provide `layerAuthenticated`.
 *
 * A middleware that decides by the caller, such as one that admits the members of a group, requires `Caller`, and is added to
 * the group before this one.
 *
 * @stability unstable
 * @category middleware
 * @since 0.1.0
 */
export class Authenticated extends RpcMiddleware.Service<
  Authenticated,
  {
    /** What handlers may require. */
    provides: Caller
  }
>()("@qp2p/rpc/QuicRpc/Authenticated") {}

/**
 * The implementation of `Authenticated`. A request that did not arrive over an endpoint has no proven caller: it dies, and its
 * handler does not run.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerAuthenticated: Layer.Layer<Authenticated> = Layer.succeed(Authenticated)(
  Authenticated.of((effect) =>
    Effect.contextWith((context: Context.Context<never>) => {
      const caller = Context.getOrUndefined(context, Caller)
      return caller === undefined
        ? Effect.die(new Error("the request has no caller: it did not arrive over an endpoint"))
        : Effect.provideService(effect, Caller, caller)
    })
  )
)
