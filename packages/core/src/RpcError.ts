/**
 * The errors of a question to a peer: echo, verification or reachability.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ConnectionLost, SerializationError, StreamLost } from "./SendError.ts"

/**
 * The peer did not answer within `EndpointConfig.rpcTimeout`.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class RpcTimedOut extends Schema.TaggedError<RpcTimedOut>("@qp2p/core/RpcError/RpcTimedOut")("RpcTimedOut", {
  peer: Schema.InetAddressFromString
}) {
  override get message() {
    return `${this.peer} did not answer in time`
  }
}

/**
 * The errors of a question to a peer.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const RpcError = Schema.Union([RpcTimedOut, SerializationError, ConnectionLost, StreamLost])

/**
 * The errors of a question to a peer.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type RpcError = typeof RpcError.Type
