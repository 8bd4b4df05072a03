/**
 * An endpoint without a network, for tests of commands.
 */
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import type { Connection } from "@qp2p/core/Connection"
import { ConnectionTimedOut } from "@qp2p/core/ConnectionError"
import { type ConnectionId, fromAddress } from "@qp2p/core/ConnectionId"
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
  options: {
    readonly bootstrapContact?: NetAddress.InetAddress
    readonly portMapping?: Mapping
    readonly listen?: NetAddress.InetAddress
    readonly interfaces?: ReadonlyArray<NetAddress.InetAddress>
    /** Where peers are that answer from elsewhere than they are dialled at. */
    readonly places?: ReadonlyMap<string, NetAddress.InetAddress>
  } = {}
) {
  const connections = yield* Queue.unbounded<Connection>()
  const messages = yield* Queue.unbounded<Endpoint.IncomingMessage>()
  const disconnections = yield* Queue.unbounded<Endpoint.Disconnection>()
  const connected = new Set<string>(options.bootstrapContact === undefined ? [] : [`${options.bootstrapContact}`])
  const reachable = new Set<string>()
  const stale = new Set<string>()
  const sent: Array<string> = []
  const dialled: Array<string> = []

  const places = options.places ?? new Map<string, NetAddress.InetAddress>()
  /** The address by which the connection was made that is found at `address`. */
  const named = (address: NetAddress.InetAddress): NetAddress.InetAddress | undefined => {
    if (connected.has(`${address}`)) return address
    const [name] = [...places].find(([name, place]) => connected.has(name) && `${place}` === `${address}`) ?? []
    return name === undefined ? undefined : NetAddress.inetAddressFromStringUnsafe(name)
  }

  const connection = (peer: NetAddress.InetAddress) =>
    ({ id: fromAddress(peer), remoteAddress: peer }) as unknown as Connection

  const service = {
    localAddress: options.listen ?? self,
    localAddresses: options.interfaces ?? [self],
    publicAddress: self,
    bootstrapContact: Option.fromUndefinedOr(options.bootstrapContact),
    portMapping: Option.fromUndefinedOr(options.portMapping),
    nextConnection: Queue.take(connections),
    nextMessage: Queue.take(messages),
    nextDisconnection: Queue.take(disconnections),
    connectionId: (peer: NetAddress.InetAddress) =>
      Effect.sync(() => Option.map(Option.fromUndefinedOr(named(peer)), fromAddress)),
    addressOf: (id: ConnectionId) =>
      Effect.sync(() =>
        Option.fromUndefinedOr(
          Array.from(connected, NetAddress.inetAddressFromStringUnsafe).find((peer) => fromAddress(peer) === id)
        ).pipe(Option.map((peer) => places.get(`${peer}`) ?? peer))
      ),
    connectTo: (peer: NetAddress.InetAddress) =>
      Effect.suspend(() => {
        dialled.push(`${peer}`)
        if (!reachable.has(`${peer}`)) return Effect.fail(new ConnectionTimedOut({ peer }))
        connected.add(`${peer}`)
        return Effect.succeed(connection(peer))
      }),
    trySendMessage: (payload: Uint8Array, peer: NetAddress.InetAddress) =>
      Effect.suspend((): Effect.Effect<void, ConnectionLost | NotConnected> => {
        if (named(peer) === undefined) {
          return Effect.fail(new NotConnected({ peer }))
        }
        if (stale.delete(`${peer}`)) {
          return Effect.fail(new ConnectionLost({ reason: new ConnectionTimedOut({ peer }) }))
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
      const place = places.get(`${peer}`)
      return Queue.offer(disconnections, {
        peer: place ?? peer,
        dialledAddress: place === undefined ? Option.none() : Option.some(peer),
        peerId: TestIdentity.make(`${peer}`).peerId,
        connectionId: fromAddress(peer),
        reason,
        last: how.last !== false
      })
    },
    writes: (peer: NetAddress.InetAddress, text: string, reply?: SendStream) =>
      Queue.offer(messages, {
        peer: places.get(`${peer}`) ?? peer,
        peerId: TestIdentity.make(`${peer}`).peerId,
        connectionId: fromAddress(peer),
        payload: new TextEncoder().encode(text),
        reply: Option.fromUndefinedOr(reply)
      })
  }
})
