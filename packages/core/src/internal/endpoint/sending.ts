/**
 * Sends a message over an existing connection or a new one, and retries after transient errors.
 */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
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
import { connectTarget } from "./dialling.ts"
import type { EndpointState } from "./state.ts"
import { retrying } from "./retrying.ts"
import { ofAddress, type Target, type TargetAddress } from "./target.ts"

/** Sends a message. The options have been checked. */
export const send = (
  state: EndpointState,
  payload: Uint8Array,
  peer: Target,
  options: SendOptions | undefined
): Effect.Effect<void, SendError> => {
  const { connections } = state
  const connection = connections.current(peer)
  if (connection === undefined) return sendAnew(state, payload, redial(connections, peer), options)
  const own = ownOptions(options)
  return Effect.catch(connection.send(payload, own), (error) =>
    recover(state, connection, error, payload, peer, options)
  )
}

/** Handles a failed send: sends again on a stream of its own, or over a new connection, where that may succeed. */
const recover = (
  state: EndpointState,
  connection: Connection,
  error: SendError,
  payload: Uint8Array,
  peer: Target,
  options: SendOptions | undefined
): Effect.Effect<void, SendError> => {
  if (isSharedRefusal(error)) {
    return Effect.catch(connection.send(payload, ownOptions(options)), (again) =>
      afterLoss(state, connection, again, payload, peer, options)
    )
  }
  return afterLoss(state, connection, error, payload, peer, options)
}

const afterLoss = (
  state: EndpointState,
  connection: Connection,
  error: SendError,
  payload: Uint8Array,
  peer: Target,
  options: SendOptions | undefined
): Effect.Effect<void, SendError> =>
  isTransientLoss(error)
    ? sendAnew(state, payload, redial(state.connections, peer, connection), options)
    : Effect.fail(error)

/** Picks the options that operations of a connection take. */
export const ownOptions = (options: SendOptions | undefined): PriorityOptions | undefined =>
  options === undefined ? undefined : { priority: options.priority }

/**
 * Sends over a connection of the pool, which may be a wrapper. When the peer may have refused only another message on the same
 * stream, the message is sent once more on a stream of its own.
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
  state: EndpointState,
  payload: Uint8Array,
  connect: Effect.Effect<Connection, ConnectionError>,
  options: SendOptions | undefined
): Effect.Effect<void, SendError> => {
  const { config } = state
  // A message that no connection takes does not cause a dial.
  const invalid = WireMessage.checkPayload(payload, config.maxMessageSize)
  if (invalid !== undefined) return Effect.fail(invalid)
  const duration = Option.getOrElse(args.durationOf(options?.retryDuration), () => config.retryDuration)
  const once: Effect.Effect<void, SendError> = Effect.flatMap(Effect.mapError(connect, notConnected), (connection) =>
    sendOnce(connection, payload, options)
  )
  return retrying(state, once, { duration, isTransient: isTransientLoss, failure: notConnected })
}

const notConnected = (error: ConnectionError) => new ConnectionLost({ reason: error })

/**
 * Dials a connection in place of `lost`. It tries the dialled address first, then `peer`: behind a virtual address, only the
 * dialled address may accept connections.
 */
const redial = (
  connections: Connections,
  peer: Target,
  lost?: Connection
): Effect.Effect<Connection, ConnectionError> => {
  const { addresses, peerId } = peer
  const dialled = Option.toArray(lost?.dialledAddress ?? Option.none())
  // Of a peer without an id, only the dialled address is tried first: another peer may be where this one was.
  const first = lost === undefined || peerId === undefined ? dialled : [...dialled, lost.remoteAddress]
  const others = first.filter(
    (each, i) => first.findIndex((other) => Equal.equals(other, each)) === i && !isAmong(addresses, each)
  )
  if (others.length === 0) return connectTarget(connections, peer)
  if (peerId !== undefined) return connectTarget(connections, { ...peer, addresses: [...others, ...addresses] })
  return Effect.catch(connectTarget(connections, ofAddress(others[0]!)), (error) =>
    isTransient(error) ? connectTarget(connections, peer) : Effect.fail(error)
  )
}

const isAmong = (addresses: ReadonlyArray<TargetAddress>, address: TargetAddress): boolean =>
  addresses.some((each) => Equal.equals(each, address))
