import type { Connection } from "@qp2p/core/Connection"
import { ConnectionTimedOut } from "@qp2p/core/ConnectionError"
import { fromAddress } from "@qp2p/core/ConnectionId"
import type * as Endpoint from "@qp2p/core/Endpoint"
import { IdleTimedOut, type Close } from "@qp2p/core/Close"
import type { Mapping } from "@qp2p/core/PortMapper"
import { ConnectionLost, NotConnected } from "@qp2p/core/SendError"
import type { SendStream } from "@qp2p/core/SendStream"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"

export const self = NetAddress.inetAddressFromStringUnsafe("127.0.0.1:4433")

/** An endpoint without a network: tests say who comes, goes and writes. */
export const makeEndpoint = Effect.fnUntraced(function* (
  options: { readonly bootstrapContact?: NetAddress.InetAddress; readonly portMapping?: Mapping } = {}
) {
  const connections = yield* Queue.unbounded<Connection>()
  const messages = yield* Queue.unbounded<Endpoint.IncomingMessage>()
  const disconnections = yield* Queue.unbounded<Endpoint.Disconnection>()
  const connected = new Set<string>(options.bootstrapContact === undefined ? [] : [`${options.bootstrapContact}`])
  const reachable = new Set<string>()
  const stale = new Set<string>()
  const sent: Array<string> = []
  const dialled: Array<string> = []

  const connection = (peer: NetAddress.InetAddress) =>
    ({ id: fromAddress(peer), remoteAddress: peer }) as unknown as Connection

  const service = {
    localAddress: self,
    publicAddress: self,
    bootstrapContact: Option.fromUndefinedOr(options.bootstrapContact),
    portMapping: Option.fromUndefinedOr(options.portMapping),
    nextConnection: Queue.take(connections),
    nextMessage: Queue.take(messages),
    nextDisconnection: Queue.take(disconnections),
    connectionId: (peer: NetAddress.InetAddress) =>
      Effect.sync(() => (connected.has(`${peer}`) ? Option.some(fromAddress(peer)) : Option.none())),
    connectTo: (peer: NetAddress.InetAddress) =>
      Effect.suspend(() => {
        dialled.push(`${peer}`)
        if (!reachable.has(`${peer}`)) return Effect.fail(new ConnectionTimedOut({ peer }))
        connected.add(`${peer}`)
        return Effect.succeed(connection(peer))
      }),
    trySendMessage: (payload: Uint8Array, peer: NetAddress.InetAddress) =>
      Effect.suspend((): Effect.Effect<void, ConnectionLost | NotConnected> => {
        if (!connected.has(`${peer}`)) {
          return Effect.fail(new NotConnected({ peer }))
        }
        if (stale.delete(`${peer}`)) {
          return Effect.fail(new ConnectionLost({ error: new ConnectionTimedOut({ peer }) }))
        }
        sent.push(`${peer} ${new TextDecoder().decode(payload)}`)
        return Effect.void
      })
  } as unknown as Endpoint.Endpoint["Service"]

  return {
    service,
    sent,
    dialled,
    reachable,
    /** Peers whose next message meets a connection that is dead. */
    stale,
    comes: (peer: NetAddress.InetAddress) => {
      connected.add(`${peer}`)
      return Queue.offer(connections, connection(peer))
    },
    goes: (
      peer: NetAddress.InetAddress,
      how: { readonly last?: boolean; readonly reported?: boolean; readonly reason?: Close } = {}
    ) => {
      if (how.last !== false) connected.delete(`${peer}`)
      if (how.reported === false) return Effect.succeed(true)
      const reason = how.reason ?? new IdleTimedOut({})
      return Queue.offer(disconnections, { peer, connectionId: fromAddress(peer), reason })
    },
    writes: (peer: NetAddress.InetAddress, text: string, reply?: SendStream) =>
      Queue.offer(messages, {
        peer,
        connectionId: fromAddress(peer),
        payload: new TextEncoder().encode(text),
        reply: Option.fromUndefinedOr(reply)
      })
  }
})
