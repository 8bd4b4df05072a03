/** A nat-upnp client whose sockets are closed exactly once. */
import { GatewayNotFound } from "@qp2p/core/PortMapperError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import natUpnp, { type Client } from "nat-upnp"
import type { Socket } from "node:dgram"
import * as exclusivePort from "../exclusivePort.ts"
import * as ssdp from "./ssdp.ts"

interface Handle {
  readonly client: Client
  readonly sockets: ReadonlyArray<Socket>
  readonly bound: Deferred.Deferred<void>
}

/**
 * Runs `use` with a new nat-upnp client. The client has one UDP socket for each current local address; all are closed
 * afterwards, each once.
 */
export const withClient = <A, E, R>(
  use: (client: Client) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | GatewayNotFound, R> =>
  Effect.acquireUseRelease(
    // Some systems do not allow reading the network interfaces.
    Effect.try({ try: open, catch: () => new GatewayNotFound() }),
    ({ client }) => use(client),
    // nat-upnp binds in the next tick, and binding a closed socket throws outside of any handler.
    (handle) =>
      Effect.andThen(
        Deferred.await(handle.bound),
        Effect.sync(() => close(handle))
      )
  )

const open = (): Handle => {
  const client = natUpnp.createClient()
  // nat-upnp removes a failed socket from its list without closing it.
  const sockets = [...client.ssdp.sockets]
  const bound = Deferred.makeUnsafe<void>()
  const unbound = new Set(sockets)
  const settle = (socket: Socket) => {
    unbound.delete(socket)
    if (unbound.size === 0) Deferred.doneUnsafe(bound, Effect.void)
  }
  if (sockets.length === 0) Deferred.doneUnsafe(bound, Effect.void)
  for (const socket of sockets) {
    exclusivePort.enforce(socket)
    socket.once("listening", () => settle(socket))
    // This listener stays: nat-upnp handles only the first error, and a second one would end the process.
    socket.on("error", () => settle(socket))
  }
  client.ssdp.parseResponse = ssdp.ignore
  return { client, sockets, bound }
}

const close = ({ client, sockets }: Handle): void => {
  const listed = new Set(client.ssdp.sockets)
  client.close()
  for (const socket of sockets) {
    if (!listed.has(socket)) socket.close()
  }
}
