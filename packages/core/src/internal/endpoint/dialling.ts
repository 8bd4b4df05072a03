/**
 * Dials one peer once, or several peers at once for the first that answers.
 */
import * as Effect from "effect/Effect"
import { isInetAddress } from "effect/net/NetAddress"
import * as Result from "effect/Result"
import type { Connection } from "../../Connection.ts"
import { type ConnectionError, EndpointStopped, InvalidAddress, NoneReachable } from "../../ConnectionError.ts"
import type { Address } from "../../Endpoint.ts"
import * as args from "../arguments.ts"
import type { Connections } from "./connections.ts"

/** Returns the connection with a peer, or dials once. */
export const connectOnce = (connections: Connections, peer: Address) =>
  Effect.suspend(() => {
    const resolved = connections.resolve(peer)
    if (Result.isFailure(resolved)) return Effect.fail(resolved.failure)
    if (connections.stopped()) return Effect.fail(new EndpointStopped())
    return connections.connect(resolved.success)
  })

/** Waits until the peer of a new connection has accepted it. */
export const accepted = (connections: Connections, connecting: Effect.Effect<Connection, ConnectionError>) =>
  Effect.tap(connecting, (connection) =>
    Effect.onInterrupt(connection.accepted, () => Effect.sync(() => connections.giveUp(connection)))
  )

/** Dials all peers at once. Returns the first connection, and its peer as listed. */
export const firstToAnswer = <P extends Address>(connections: Connections, peers: ReadonlyArray<P>) =>
  Effect.suspend((): Effect.Effect<{ readonly peer: P; readonly connection: Connection }, NoneReachable> => {
    const attempts: Array<{ readonly peer: Address; readonly error: ConnectionError }> = []
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
            attempts[i] = { peer: typeof peer === "string" || isInetAddress(peer) ? peer : args.show(peer), error }
            failed += 1
            // The last dial to fail reports the errors of all.
            return failed === peers.length ? Effect.fail(new NoneReachable({ attempts })) : Effect.never
          })
        )
      )
    )
  })

/** Makes the error of an argument that is not an array of peers. */
export const notList = (given: unknown): InvalidAddress =>
  new InvalidAddress({ input: args.show(given), detail: "peers must be an array of addresses" })
