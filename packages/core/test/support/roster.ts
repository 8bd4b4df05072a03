/**
 * A list of peers as an application keeps it: whoever connects is on it, and whoever disconnects is not.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Connection } from "../../src/Connection.ts"
import type { Disconnection, Endpoint } from "../../src/Endpoint.ts"

/** Follows an endpoint from now on, in the background. */
export const follow = Effect.fnUntraced(function* (endpoint: Endpoint["Service"]) {
  const peers = new Set<string>()
  const came: Array<Connection> = []
  const went: Array<Disconnection> = []
  yield* Effect.forkScoped(
    Stream.runForEach(endpoint.incomingConnections, (connection) =>
      Effect.sync(() => {
        came.push(connection)
        peers.add(`${connection.remoteAddress}`)
      })
    )
  )
  yield* Effect.forkScoped(
    Stream.runForEach(endpoint.disconnections, (disconnection) =>
      Effect.sync(() => {
        went.push(disconnection)
        if (disconnection.last) peers.delete(`${disconnection.peer}`)
      })
    )
  )
  yield* Effect.yieldNow
  return { peers, came, went }
})
