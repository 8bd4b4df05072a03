/**
 * Serves Effect RPC to the peers of an endpoint.
 *
 * A call has a QUIC stream of its own, so that a long answer, a slow reader and a lost packet hold back no other call. Calls whose
 * requests and answers are short share streams, because that is much faster; see `QuicRpcClient`.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { Endpoint } from "@qp2p/core/Endpoint"
import { type Fields, integer, optional, text } from "@qp2p/core/InvalidArgument"
import type { ProtocolTaken } from "@qp2p/core/Protocol"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import type * as Scope from "effect/Scope"
import { rpcProtocol } from "./internal/limits.ts"
import * as internal from "./internal/server/serverProtocol.ts"
import { unservable } from "./internal/server/unservable.ts"
import * as QuicRpc from "./QuicRpc.ts"

/**
 * The options of an RPC server.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The name that the endpoint serves: 1 to 255 bytes of UTF-8. Default `"effect-rpc"`. Each server needs a name of its own. */
  readonly protocol?: string | undefined
  /** The most streams that are served at once, as in `Endpoint.serveProtocol`. A call beyond it fails in its caller. */
  readonly maxStreams?: number | undefined
  /** The most streams that are served at once with one peer, as in `Endpoint.serveProtocol`. */
  readonly maxStreamsPerPeer?: number | undefined
  /** The most calls that are answered at once: 1 to 2^31 - 1. A call beyond it fails in its caller. Default 16,384. */
  readonly maxRequests?: number | undefined
  /** The most calls of one peer that are answered at once: 1 to 2^31 - 1. Default 2,048. */
  readonly maxRequestsPerPeer?: number | undefined
  /** The longest request, in bytes of the serialization: 1 to 2^31 - 1. A longer one costs its stream. Default 16 MiB. */
  readonly maxRequestSize?: number | undefined
  /**
   * The most bytes of long requests, of more than 64 KiB, until their handlers have ended or their callers are gone: 1 to
   * 2^31 - 1. One peer has a third of it, and one IP address a half; a request may exceed its share. Further long requests wait in their
   * callers for 30 s, and then fail. Default 256 MiB.
   */
  readonly maxRequestBytes?: number | undefined
  /**
   * The most bytes of long answers, of more than 16 KiB, that the server holds until its callers take them: 1 to 2^31 - 1. Beyond it,
   * calls of the peer with the most of them fail. Default 256 MiB.
   */
  readonly maxUnsentBytes?: number | undefined
  /**
   * The most bytes of long answers that the server holds until one peer takes them: 1 to 2^31 - 1. One answer may exceed it. Further
   * long answers fail in their callers. From half of it on, further calls on streams of their own wait. Default 64 MiB.
   */
  readonly maxUnsentBytesPerPeer?: number | undefined
}

const most = 2 ** 31 - 1

const count = optional(integer(1, most))

const fields: Fields = {
  protocol: optional(text),
  maxStreams: count,
  maxStreamsPerPeer: count,
  maxRequests: count,
  maxRequestsPerPeer: count,
  maxRequestSize: count,
  maxRequestBytes: count,
  maxUnsentBytes: count,
  maxUnsentBytesPerPeer: count
}

/**
 * Makes the protocol of an RPC server, and serves its name until the scope closes. Fails with `ProtocolTaken` when the endpoint
 * serves the name already, and, with a `reason`, when an option is wrong.
 *
 * Nothing is read before an RPC server runs over the protocol. Each call is a client of its own to that server: `clientIds`,
 * `onDisconnect` and the annotations of a client are those of a call. When a peer is gone, its handlers are interrupted.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const makeProtocol = (
  options?: Options
): Effect.Effect<
  RpcServer.Protocol["Service"],
  ProtocolTaken,
  Endpoint | RpcSerialization.RpcSerialization | Scope.Scope
> =>
  Effect.suspend(() => {
    const wrong = unservable(options, fields, rpcProtocol)
    if (wrong !== undefined) return Effect.fail(wrong)
    return Effect.map(internal.make(internal.settingsOf(options)), ({ protocol }) => protocol)
  })

/**
 * The protocol of an RPC server over the endpoint, and the implementation of `QuicRpc.Authenticated`. Every serialization works:
 * messages are framed here.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerProtocol = (
  options?: Options
): Layer.Layer<
  RpcServer.Protocol | QuicRpc.Authenticated,
  ProtocolTaken,
  Endpoint | RpcSerialization.RpcSerialization
> => Layer.merge(Layer.effect(RpcServer.Protocol)(makeProtocol(options)), QuicRpc.layerAuthenticated)
