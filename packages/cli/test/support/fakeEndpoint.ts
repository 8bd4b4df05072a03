/**
 * An endpoint without a network, for tests of commands.
 */
import * as PeerAddress from "@qp2p/core/PeerAddress"
import * as Result from "effect/Result"
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import type { Connection } from "@qp2p/core/Connection"
import { type ConnectionError, ConnectionTimedOut } from "@qp2p/core/ConnectionError"
import { fromAddress } from "@qp2p/core/ConnectionId"
import type * as Endpoint from "@qp2p/core/Endpoint"
import { IdleTimedOut, type Close } from "@qp2p/core/Close"
import type { PeerId } from "@qp2p/core/PeerId"
import type { Mapping } from "@qp2p/core/PortMapper"
import { ConnectionLost, NotConnected } from "@qp2p/core/SendError"
import type { SendStream } from "@qp2p/core/SendStream"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"

export const selfId = TestIdentity.make("self").peerId

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
  const silent = new Set<string>()
  const sent: Array<string> = []
  const dialled: Array<string> = []
  const problems = new Map<string, ConnectionError>()
  const ownAddresses = yield* Queue.unbounded<PeerAddress.PeerAddress>()

  const places = options.places ?? new Map<string, NetAddress.InetAddress>()
  const placeOf = (name: string): string => `${places.get(name) ?? name}`
  /** The peer that is dialled by a name, or that is at the place of one. */
  const idOf = (name: string): PeerId => {
    const [known = name] = [...places].find(([, place]) => `${place}` === name) ?? []
    return TestIdentity.make(known).peerId
  }
  /** A connected peer by its id, its name or its place. */
  const find = (peer: PeerAddress.Input): string | undefined =>
    [...connected].find((name) => {
      const given = PeerAddress.isPeerAddress(peer) ? Option.getOrElse(peer.peerId, () => `${peer}`) : `${peer}`
      return [name, placeOf(name), idOf(name)].includes(given)
    })

  const connection = (name: string) =>
    ({
      id: fromAddress(NetAddress.inetAddressFromStringUnsafe(name)),
      peerId: idOf(name),
      remoteAddress: NetAddress.inetAddressFromStringUnsafe(placeOf(name))
    }) as unknown as Connection

  const service = {
    peerId: selfId,
    peerAddress: `${selfId}@${self}`,
    peerAddressChanges: Stream.fromQueue(ownAddresses),
    localAddress: options.listen ?? self,
    localAddresses: options.interfaces ?? [self],
    publicAddress: self,
    bootstrapContact: Option.map(Option.fromUndefinedOr(options.bootstrapContact), (contact) =>
      Result.getOrThrow(PeerAddress.fromInput(contact))
    ),
    portMapping: Option.fromUndefinedOr(options.portMapping),
    nextConnection: Queue.take(connections),
    nextMessage: Queue.take(messages),
    nextDisconnection: Queue.take(disconnections),
    connectionId: (peer: PeerAddress.Input) =>
      Effect.sync(() => Option.map(Option.fromUndefinedOr(find(peer)), (name) => connection(name).id)),
    connectTo: (peer: PeerAddress.PeerAddress) =>
      Effect.suspend(() => {
        const known = find(peer)
        if (known !== undefined) return Effect.succeed(connection(known))
        const name = `${PeerAddress.toInetAddress(peer.addresses[0]!).pipe(Option.getOrThrow)}`
        dialled.push(`${peer}`)
        const problem = problems.get(`${peer}`)
        if (problem !== undefined) return Effect.fail(problem)
        if (!reachable.has(name)) {
          return Effect.fail(new ConnectionTimedOut({ peer: NetAddress.inetAddressFromStringUnsafe(name) }))
        }
        connected.add(name)
        return Effect.succeed(connection(name))
      }),
    trySendMessage: (payload: Uint8Array, peer: PeerId) =>
      Effect.suspend((): Effect.Effect<void, ConnectionLost | NotConnected> => {
        const name = find(peer)
        if (name === undefined) return Effect.fail(new NotConnected({ peer }))
        if (silent.has(name)) return Effect.never
        if (stale.delete(name)) {
          const place = NetAddress.inetAddressFromStringUnsafe(name)
          return Effect.fail(new ConnectionLost({ reason: new ConnectionTimedOut({ peer: place }) }))
        }
        sent.push(`${placeOf(name)} ${new TextDecoder().decode(payload)}`)
        return Effect.void
      })
  } as unknown as Endpoint.Endpoint["Service"]

  return {
    service,
    sent,
    dialled,
    reachable,
    /** Why dials fail, by the texts of peers. */
    problems,
    /** The endpoint's own address changes. */
    ownAddresses,
    /** Peers that confirm nothing. */
    silent,
    /** Peers whose next message meets a connection that is dead. */
    stale,
    comes: (peer: NetAddress.InetAddress) => {
      connected.add(`${peer}`)
      return Queue.offer(connections, connection(`${peer}`))
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
        peerId: idOf(`${peer}`),
        connectionId: fromAddress(peer),
        reason,
        last: how.last !== false
      })
    },
    writes: (peer: NetAddress.InetAddress, text: string, reply?: SendStream) =>
      Queue.offer(messages, {
        peer: places.get(`${peer}`) ?? peer,
        peerId: idOf(`${peer}`),
        connectionId: fromAddress(peer),
        payload: new TextEncoder().encode(text),
        reply: Option.fromUndefinedOr(reply)
      })
  }
})
