/**
 * Sends a message over the connection there is, or else over a new one, and tries again while that may help.
 */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type { Connection, PriorityOptions } from "../../Connection.ts"
import type { ConnectionError } from "../../ConnectionError.ts"
import type { SendOptions } from "../../Endpoint.ts"
import { isTransient, isTransientLoss } from "../../RetrySchedule.ts"
import { ConnectionLost, type SendError } from "../../SendError.ts"
import * as WireMessage from "../../WireMessage.ts"
import * as args from "../arguments.ts"
import { isSharedRefusal } from "../connection/sharedRefusal.ts"
import type { Connections } from "./connections.ts"
import { connectOnce } from "./dialling.ts"
import type { Node } from "./node.ts"
import { retrying } from "./retrying.ts"

/** With options that have been looked at. */
export const send = (
  node: Node,
  payload: Uint8Array,
  peer: NetAddress.InetAddress,
  options: SendOptions | undefined
): Effect.Effect<void, SendError> => {
  const { connections } = node
  const connection = connections.current(peer)
  if (connection === undefined) return sendAnew(node, payload, redial(connections, peer), options)
  const own = ownOptions(options)
  return Effect.catch(connection.send(payload, own), (error) =>
    recover(node, connection, error, payload, peer, options)
  )
}

/** Sends again what may arrive then: alone on the connection, or on a new one. */
const recover = (
  node: Node,
  connection: Connection,
  error: SendError,
  payload: Uint8Array,
  peer: NetAddress.InetAddress,
  options: SendOptions | undefined
): Effect.Effect<void, SendError> => {
  if (isSharedRefusal(error)) {
    return Effect.catch(connection.send(payload, ownOptions(options)), (again) =>
      afterLoss(node, connection, again, payload, peer, options)
    )
  }
  return afterLoss(node, connection, error, payload, peer, options)
}

const afterLoss = (
  node: Node,
  connection: Connection,
  error: SendError,
  payload: Uint8Array,
  peer: NetAddress.InetAddress,
  options: SendOptions | undefined
): Effect.Effect<void, SendError> =>
  isTransientLoss(error)
    ? sendAnew(node, payload, redial(node.connections, peer, connection), options)
    : Effect.fail(error)

/** Those that a connection takes. */
const ownOptions = (options: SendOptions | undefined): PriorityOptions | undefined =>
  options === undefined ? undefined : { priority: options.priority }

/**
 * Over a connection of the pool's, which may be a wrapper. A message that the peer may have refused only for what was sent
 * along with it is sent again, once and alone.
 */
export const sendOnce = (
  connection: Connection,
  payload: Uint8Array,
  options: SendOptions | undefined
): Effect.Effect<void, SendError> => {
  const own = ownOptions(options)
  return Effect.catch(connection.send(payload, own), (error) =>
    isSharedRefusal(error) ? connection.send(payload, own) : Effect.fail(error)
  )
}

const sendAnew = (
  node: Node,
  payload: Uint8Array,
  connect: Effect.Effect<Connection, ConnectionError>,
  options: SendOptions | undefined
): Effect.Effect<void, SendError> => {
  const { config } = node
  // No dial for a message that no connection would take.
  const invalid = WireMessage.checkPayload(payload, config.maxMessageSize)
  if (invalid !== undefined) return Effect.fail(invalid)
  const duration = Option.getOrElse(args.durationOf(options?.retryDuration), () => config.retryDuration)
  const once: Effect.Effect<void, SendError> = Effect.flatMap(Effect.mapError(connect, notConnected), (connection) =>
    sendOnce(connection, payload, options)
  )
  return retrying(node, once, { duration, isWorthIt: isTransientLoss, failure: notConnected })
}

const notConnected = (error: ConnectionError) => new ConnectionLost({ reason: error })

/**
 * A connection in place of `lost`. What was dialled may be where new connections are taken, and what answered not, as
 * with a virtual address; so that goes first, and the address that was asked for second.
 */
const redial = (
  connections: Connections,
  peer: NetAddress.InetAddress,
  lost?: Connection
): Effect.Effect<Connection, ConnectionError> => {
  const dialled = Option.getOrElse(lost?.dialledAddress ?? Option.none(), () => peer)
  return Equal.equals(dialled, peer)
    ? connectOnce(connections, peer)
    : Effect.catch(connectOnce(connections, dialled), (error) =>
        isTransient(error) ? connectOnce(connections, peer) : Effect.fail(error)
      )
}
