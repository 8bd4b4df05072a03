/**
 * Sockets and endpoints on hosts with public addresses or behind gateways.
 */
import * as Endpoint from "@qp2p/core/Endpoint"
import * as PortMapper from "@qp2p/core/PortMapper"
import { type BindOptions, Transport } from "@qp2p/core/Transport"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import type { Gateway, Host, Options } from "../../src/Gateway.ts"
import { MemoryNetwork } from "../../src/MemoryNetwork.ts"
import * as MemoryTransport from "../../src/MemoryTransport.ts"
import * as TestIdentity from "../../src/TestIdentity.ts"
import { address, bind, type Peer, settle, type Socket } from "./recordingSockets.ts"

export const open = (ip: string): Host => ({ address: ip })
export const behind = (gateway: Gateway, ip: string) => ({ address: ip, gateway })

export const gateway = (options: Options) => Effect.flatMap(MemoryNetwork, (network) => network.gateway(options))

export const bindOn = Effect.fnUntraced(function* (host: Host, port: number, overrides?: Partial<BindOptions>) {
  const transport = yield* MemoryTransport.makeHost(host)
  return yield* Effect.provideService(bind(`0.0.0.0:${port}`, overrides), Transport, transport)
})

/** The connection that `from` gets to `to` without any time passing, if it gets one. */
export const reach = Effect.fnUntraced(function* (from: Socket, to: string) {
  const { cancel, connected } = from.dial(address(to))
  yield* settle
  if (connected.length === 0) cancel()
  return connected[0]
})

export const reaches = (from: Socket, to: string) => Effect.map(reach(from, to), (peer) => peer !== undefined)

/** Where the peer of a connection seems to be. */
export const seenAt = (peer: Peer | undefined) =>
  peer === undefined ? "nowhere" : NetAddress.formatInet(peer.connection.remoteAddress)

/** Where the peer of a connection is seen each time that it moves. */
export const movesOf = (peer: Peer) => {
  const moves: Array<string> = []
  Object.assign(peer, { onMoved: () => void moves.push(seenAt(peer)) })
  return moves
}

/** An endpoint on a host, at port 4433 unless another is given; it maps ports by what the program has for that. */
export const mappedEndpointOn = Effect.fnUntraced(function* (host: Host, options: Endpoint.Options = {}) {
  const transport = yield* MemoryTransport.makeHost(host)
  const identity = TestIdentity.make(`${host.gateway === undefined ? "" : "private "}${host.address}`)
  const made = Endpoint.make({ localAddress: "0.0.0.0:4433", identity, ...options })
  return yield* Effect.provideService(made, Transport, transport)
})

export const endpointOn = (host: Host, options?: Endpoint.Options) =>
  Effect.provide(mappedEndpointOn(host, options), PortMapper.layerNone)
