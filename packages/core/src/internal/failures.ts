/**
 * Converts what a transport reports into the typed errors of operations.
 */
import type * as NetAddress from "effect/net/NetAddress"
import type { Close } from "../Close.ts"
import {
  ConnectionClosed,
  type ConnectionError,
  ConnectionReset,
  ConnectionTimedOut,
  TransportError
} from "../ConnectionError.ts"
import { ConnectionLost, StreamLost } from "../SendError.ts"
import type { StreamFailure } from "../Transport.ts"

/** Converts the end of a connection into the error of an operation on it. */
export const connectionErrorOf = (peer: NetAddress.InetAddress, close: Close): ConnectionError => {
  switch (close._tag) {
    case "IdleTimedOut":
      return new ConnectionTimedOut({ peer })
    case "TransportClosed":
      return new TransportError({ peer, code: close.code, detail: close.detail })
    case "StatelessReset":
      return new ConnectionReset({ peer })
    default:
      return new ConnectionClosed({ peer, close })
  }
}

/** Converts the failure of a stream into the error of a send or a read. */
export const streamErrorOf = (
  failure: StreamFailure,
  connection: {
    /** Converts the end of the connection. */
    readonly errorOf: (close: Close) => ConnectionError
  }
): ConnectionLost | StreamLost => {
  switch (failure._tag) {
    case "StreamStopped":
    case "StreamReset":
    case "StreamClosed":
      return new StreamLost({ reason: failure })
    default:
      return new ConnectionLost({ reason: connection.errorOf(failure) })
  }
}
