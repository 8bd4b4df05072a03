/** What a failed call fails with: Effect's `RpcClientError`, with the error of the endpoint as its cause. */
import type { ConnectionError } from "@qp2p/core/ConnectionError"
import type { ProtocolRefused } from "@qp2p/core/ProtocolError"
import type { RecvError } from "@qp2p/core/RecvError"
import type { SendError } from "@qp2p/core/SendError"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import * as Cause from "effect/Cause"
import * as Predicate from "effect/Predicate"
import { RpcClientDefect, RpcClientError } from "effect/rpc/RpcClientError"
import * as Socket from "effect/socket/Socket"

/** The server never saw the request: the call may be made again. */
export const notSent = (cause: unknown): RpcClientError =>
  new RpcClientError({ reason: new Socket.SocketOpenError({ kind: "Unknown", cause }) })

/** A stream could not be opened. */
export const ofOpen = (error: ConnectionError): RpcClientError =>
  error._tag === "ConnectionTimedOut"
    ? new RpcClientError({ reason: new Socket.SocketOpenError({ kind: "Timeout", cause: error }) })
    : notSent(error)

/** Whether the server has refused the stream before it looked at a request. */
const isRefusal = (error: SendError | ProtocolRefused): boolean => {
  if (error._tag !== "StreamLost") return error._tag === "ProtocolRefused"
  const { reason } = error
  return reason._tag !== "StreamClosed" && reason.code === ErrorCode.overloaded
}

/** The stream of a call could not be written. */
export const ofWrite = (error: SendError | ProtocolRefused): RpcClientError =>
  isRefusal(error) ? notSent(error) : new RpcClientError({ reason: new Socket.SocketWriteError({ cause: error }) })

/** The stream of a call has failed, or has ended before the answer. The server may have done what was asked. */
export const ofRead = (error: RecvError | ProtocolRefused | Cause.Done): RpcClientError => {
  if (Cause.isDone(error)) return new RpcClientError({ reason: new Socket.SocketCloseError({ code: 1000 }) })
  return isRefusal(error)
    ? notSent(error)
    : new RpcClientError({ reason: new Socket.SocketReadError({ cause: error }) })
}

/** Whether the server has refused a stream because it has too many. */
export const isOverload = (error: RpcClientError | undefined): boolean =>
  error?.reason._tag === "SocketOpenError" && Predicate.isTagged(error.reason.cause, "StreamLost")

/** The server breaks the rules. */
export const malformed = (message: string): RpcClientError =>
  new RpcClientError({ reason: new RpcClientDefect({ message, cause: new Error(message) }) })

/** An answer, or a part of one, is longer than `maxResponseSize`. */
export const tooLong = (): RpcClientError => malformed("the server's answer is too long")

/** The serialization cannot encode the request. */
export const unencodable = (cause: unknown): RpcClientError =>
  new RpcClientError({ reason: new RpcClientDefect({ message: "the request cannot be encoded", cause }) })

/** The client has been closed. */
export const closed = (): RpcClientError =>
  new RpcClientError({ reason: new Socket.SocketCloseError({ code: 1006, closeReason: "the client is closed" }) })
