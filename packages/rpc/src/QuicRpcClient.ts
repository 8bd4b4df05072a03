/**
 * Calls Effect RPC of a peer.
 *
 * Each call has a QUIC stream of its own, so that a long answer holds back no other, back-pressure is that of the stream, and
 * interruption resets the stream. Once a procedure has given a short answer, its calls share a few streams, as long as their requests
 * and answers are short (16 KiB): a packet then carries many. An answer that turns out to be long, or to come in parts, moves from
 * the shared stream to one of its own.
 *
 * A call that fails with `RpcClientError` and the reason `SocketOpenError` never reached a handler, and may be made again. With any
 * other reason, the handler may have run: the connection was lost during the call, for example. Nothing is repeated here. The next
 * call dials again.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { Endpoint } from "@qp2p/core/Endpoint"
import { type Fields, integer, number, ofOptions, optional, text, unless } from "@qp2p/core/InvalidArgument"
import type * as PeerAddress from "@qp2p/core/PeerAddress"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import type * as RpcSerialization from "effect/rpc/RpcSerialization"
import type * as Scope from "effect/Scope"
import * as internal from "./internal/client/clientProtocol.ts"
import * as limits from "./internal/limits.ts"

/**
 * The options of an RPC client.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The name that the peer serves: 1 to 255 bytes of UTF-8. Default `"effect-rpc"`. */
  readonly protocol?: string | undefined
  /** The priority of the requests. A higher priority is sent first. Default 0. */
  readonly priority?: number | undefined
  /**
   * The longest answer, or part of an answer, in bytes of the serialization: 1 to 2^31 - 1. A longer one fails its call. Default
   * 16 MiB.
   */
  readonly maxResponseSize?: number | undefined
}

const fields: Fields = {
  protocol: optional(text),
  priority: optional(number),
  maxResponseSize: optional(integer(1, 2 ** 31 - 1))
}

/**
 * Makes the protocol of an RPC client for a peer. The first call dials the peer if there is no connection.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const makeProtocol = (
  peer: PeerAddress.Input,
  options?: Options
): Effect.Effect<RpcClient.Protocol["Service"], never, Endpoint | RpcSerialization.RpcSerialization | Scope.Scope> =>
  unless(
    () => ofOptions(options, fields),
    () =>
      internal.make(peer, {
        protocol: options?.protocol ?? limits.rpcProtocol,
        priority: options?.priority ?? 0,
        maxResponseSize: options?.maxResponseSize ?? limits.maxMessage
      })
  )

/**
 * The protocol of an RPC client for a peer, over the endpoint. Its serialization must be that of the server; every one works.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerProtocol = (
  peer: PeerAddress.Input,
  options?: Options
): Layer.Layer<RpcClient.Protocol, never, Endpoint | RpcSerialization.RpcSerialization> =>
  Layer.effect(RpcClient.Protocol)(makeProtocol(peer, options))
