/**
 * Dials one peer once, or several peers at once for the first that answers.
 */
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import type { Connection } from "../../Connection.ts"
import { type ConnectionError, EndpointStopped, InvalidAddress, NoneReachable } from "../../ConnectionError.ts"
import * as PeerAddress from "../../PeerAddress.ts"
import * as args from "../arguments.ts"
import type { Connections } from "./connections.ts"
import type { Target } from "./target.ts"

/** Returns the connection with a peer, or dials once. */
export const connectOnce = (connections: Connections, peer: PeerAddress.Input) =>
  Effect.suspend(() => {
    const resolved = connections.resolve(peer)
    if (Result.isFailure(resolved)) return Effect.fail(resolved.failure)
    return connectTarget(connections, resolved.success)
  })

/** Returns the connection with a peer, or dials once. */
export const connectTarget = (connections: Connections, target: Target): Effect.Effect<Connection, ConnectionError> =>
  Effect.suspend(() => (connections.stopped() ? Effect.fail(new EndpointStopped()) : connections.connect(target)))

/** Waits until the peer of a new connection has accepted it. */
export const accepted = (connections: Connections, connecting: Effect.Effect<Connection, ConnectionError>) =>
  Effect.tap(connecting, (connection) =>
    Effect.onInterrupt(connection.accepted, () => Effect.sync(() => connections.giveUp(connection)))
  )

/** Dials all peers at once. Returns the first connection, and its peer as listed. */
export const firstToAnswer = <P extends PeerAddress.Input>(connections: Connections, peers: ReadonlyArray<P>) =>
  Effect.suspend((): Effect.Effect<{ readonly peer: P; readonly connection: Connection }, NoneReachable> => {
    const attempts: Array<{ readonly peer: NetAddress.InetAddress | string; readonly error: ConnectionError }> = []
    let failed = 0
    if (!Array.isArray(peers)) {
      const error = notList(peers)
      return Effect.fail(new NoneReachable({ attempts: [{ peer: error.input, error }] }))
    }
    if (peers.length === 0) return Effect.fail(new NoneReachable({ attempts: [] }))
    return Effect.raceAllFirst(
      // `Array.from` also visits the holes of a sparse array.
      Array.from(peers, (peer: P, i) =>
        accepted(connections, connectOnce(connections, peer)).pipe(
          Effect.map((connection) => ({ peer, connection })),
          Effect.catch((error) => {
            attempts[i] = { peer: listed(peer), error }
            failed += 1
            // The last dial to fail reports the errors of all.
            return failed === peers.length ? Effect.fail(new NoneReachable({ attempts })) : Effect.never
          })
        )
      )
    )
  })

/** Returns a peer as `NoneReachable` has it. */
const listed = (peer: PeerAddress.Input): NetAddress.InetAddress | string => {
  if (typeof peer === "string" || NetAddress.isInetAddress(peer)) return peer
  return PeerAddress.isPeerAddress(peer) ? peer.toString() : args.show(peer)
}

/** Makes the error of an argument that is not an array of peers. */
export const notList = (given: unknown): InvalidAddress =>
  new InvalidAddress({ input: args.show(given), detail: "peers must be an array of addresses" })
