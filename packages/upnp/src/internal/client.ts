import { GatewayNotFound } from "@qp2p/core/PortMapperError"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import natUpnp, { type Client, type Ssdp } from "nat-upnp"
import type { Socket } from "node:dgram"
import type { Action } from "./soap.ts"

/** A gateway that answered the search, and the local address that its answer came to. */
export interface Found {
  readonly location: string
  readonly localAddress: string
}

/** How gateways are searched for. Tests replace it. */
export type Discover = (client: Client) => Effect.Effect<Found, GatewayNotFound>

interface Handle {
  readonly client: Client
  readonly sockets: ReadonlyArray<Socket>
  readonly bound: Deferred.Deferred<void>
}

/**
 * A fresh nat-upnp client for the time of `use`. It has one UDP socket for each local address of the moment; all are
 * closed afterwards, each once.
 */
export const withClient = <A, E, R>(
  use: (client: Client) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | GatewayNotFound, R> =>
  Effect.acquireUseRelease(
    // The list of network interfaces is not readable everywhere.
    Effect.try({ try: open, catch: () => new GatewayNotFound() }),
    ({ client }) => use(client),
    // nat-upnp binds in the next tick, and binding a closed socket throws where nobody can catch it.
    (handle) =>
      Effect.andThen(
        Deferred.await(handle.bound),
        Effect.sync(() => close(handle))
      )
  )

const open = (): Handle => {
  const client = natUpnp.createClient()
  // nat-upnp takes a socket that fails out of its list, and then closes it no more.
  const sockets = [...client.ssdp.sockets]
  const bound = Deferred.makeUnsafe<void>()
  const unbound = new Set(sockets)
  const settle = (socket: Socket) => {
    unbound.delete(socket)
    if (unbound.size === 0) Deferred.doneUnsafe(bound, Effect.void)
  }
  if (sockets.length === 0) Deferred.doneUnsafe(bound, Effect.void)
  for (const socket of sockets) {
    socket.once("listening", () => settle(socket))
    // Stays: nat-upnp listens for one error, and the next one would end the process.
    socket.on("error", () => settle(socket))
  }
  limitResponses(client.ssdp)
  return { client, sockets, bound }
}

const close = ({ client, sockets }: Handle): void => {
  const listed = new Set(client.ssdp.sockets)
  client.close()
  for (const socket of sockets) {
    if (!listed.has(socket)) socket.close()
  }
}

/** nat-upnp's header pattern takes time in the square of a line's length, and a datagram may be 64 KiB of one line. */
const limitResponses = (ssdp: Ssdp): void => {
  const parse = ssdp.parseResponse.bind(ssdp)
  ssdp.parseResponse = (response, address, remote) => {
    if (response.length <= 2048) parse(response, address, remote)
  }
}

const targets = [
  "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
  "urn:schemas-upnp-org:device:InternetGatewayDevice:2"
]

/** Asks the local network for gateways and takes the first that names its description. */
export const search =
  (timeout: Duration.Input): Discover =>
  (client) =>
    Effect.callback<Found>((resume) => {
      const searches = targets.map((target) => client.ssdp.search(target))
      for (const each of searches) {
        each.on("device", (info: { readonly location?: string }, localAddress: string) => {
          if (info.location) resume(Effect.succeed({ location: info.location, localAddress }))
        })
      }
      return Effect.sync(() => searches.forEach((each) => each.emit("end")))
    }).pipe(Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(new GatewayNotFound()) }))

export interface Actions {
  readonly externalAddress: Action
  readonly add: Action
  readonly addForEver: Action
  readonly remove: Action
}

/**
 * The actions as nat-upnp builds them. It is handed a gateway that writes the action down instead of sending it: its own
 * sending never ends when a router hangs, and throws where nobody can catch it when an answer is malformed.
 */
export const actions = (
  client: Client,
  mapping: {
    readonly internal: { readonly host: string; readonly port: number }
    readonly externalPort: number
    readonly lease: number
    readonly description: string
  }
): Actions => {
  const { description, externalPort, internal, lease } = mapping
  const ports = { public: { port: externalPort }, private: internal, protocol: "UDP" } as const
  return {
    externalAddress: record(client, () => client.externalIp()),
    add: record(client, () => client.portMapping({ ...ports, description, ttl: lease })),
    addForEver: record(client, () => client.portMapping({ ...ports, description, ttl: 0 })),
    remove: record(client, () => client.portUnmapping(ports))
  }
}

const record = (client: Client, ask: () => void): Action => {
  let action: Action = { name: "", args: [] }
  client.findGateway = (callback) => callback(null, { run: (name, args) => void (action = { name, args }) }, "")
  ask()
  return action
}
