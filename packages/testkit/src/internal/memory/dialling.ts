/** How sockets of `MemoryTransport` dial each other: one round trip, and refusals. */
import { undiallable } from "@qp2p/core/Address"
import { TransportClosed } from "@qp2p/core/Close"
import {
  type ConnectionError,
  InvalidAddress,
  PeerMismatch,
  TooManyConnections,
  TransportError
} from "@qp2p/core/ConnectionError"
import type { PeerId } from "@qp2p/core/PeerId"
import type { DialEvents } from "@qp2p/core/Transport"
import * as Equal from "effect/Equal"
import * as NetAddress from "effect/net/NetAddress"
import { type Place, placeOf } from "../network/place.ts"
import type { Realm } from "../network/realm.ts"
import { MemoryConnection } from "./connection.ts"
import { Link } from "./link.ts"
import type { MemoryPort } from "./port.ts"
import type { MemoryWire } from "./wire.ts"

/** RFC 9000, section 20.1. */
const connectionRefused = 2

const ignore = () => {}

/** Why `peer` cannot be dialled from `port`; undefined when it can. */
export const refusal = (port: MemoryPort, peer: NetAddress.InetAddress): ConnectionError | undefined => {
  const input = NetAddress.formatInet(peer)
  const detail = undiallable(peer)
  if (detail !== undefined) return new InvalidAddress({ input, detail })
  if (peer._tag !== port.place.address._tag) {
    return new InvalidAddress({ input, detail: "its family is not the socket's" })
  }
  const { maxConnections } = port.options
  return port.connections.size < maxConnections ? undefined : new TooManyConnections({ limit: maxConnections })
}

/** Dials `peer`. The returned function gives up: the half-open connection is closed and nothing is reported. */
export const dial = (
  wire: MemoryWire,
  port: MemoryPort,
  peer: NetAddress.InetAddress,
  { onConnected, onFailed }: DialEvents,
  expected: PeerId | undefined
): (() => void) => {
  let pending = true
  const connection = new MemoryConnection(wire, port, placeOf(peer), wire.nextSeniority(), (failure) => {
    if (pending) onFailed(failure)
    pending = false
  })
  connection.link.send(0, (target, source) => {
    if (wire.conditions.isRefused(connection.link.to)) {
      return refuse(wire, connection, target?.realm ?? wire.internet, source)
    }
    if (target === undefined) return
    accept(wire, target, connection, source, () => {
      const { peerId: actual } = connection
      if (expected !== undefined && actual !== expected) {
        return connection.abandon(new PeerMismatch({ expected, actual, address: peer }))
      }
      connection.admit("Outbound", () => {
        pending = false
        connection.send(0, proven)
        connection.establish(onConnected(connection))
      })
    })
  })
  return () => {
    if (!pending) return
    pending = false
    connection.close(0, "")
  }
}

/** The end of the handshake has arrived at the acceptor: the dialler has proven its key. */
const proven = (acceptor: MemoryConnection): void =>
  acceptor.admit("Inbound", () => {
    acceptor.send(0, (dialler) => dialler.accepted())
    acceptor.establish(acceptor.port.onConnection(acceptor))
  })

/**
 * Accepts a dial that has arrived at `port` and seems to come from `source`, or refuses it. Calls `answered` when the
 * answer, with the acceptor's key, has reached the dialler.
 */
const accept = (
  wire: MemoryWire,
  port: MemoryPort,
  dialler: MemoryConnection,
  source: Place,
  answered: () => void
): void => {
  if (!port.options.accept) return
  if (isFull(port, source.address.address)) return refuse(wire, dialler, port.realm, source)
  const connection = new MemoryConnection(wire, port, source, dialler.seniority, undefined)
  connection.peer = dialler
  dialler.peer = connection
  connection.send(0, answered)
}

/** Tells `dialler`, whose dial arrived in `realm`, that it is refused. */
const refuse = (wire: MemoryWire, dialler: MemoryConnection, realm: Realm, source: Place): void => {
  const { remoteAddress: peer, link } = dialler
  const error = new TransportError({ peer, code: connectionRefused, detail: "connection refused" })
  const back = new Link(wire, { place: link.to, home: link.to, realm }, source, () => true, ignore)
  back.send(0, () => dialler.finish(new TransportClosed({ code: connectionRefused, detail: "" }), error))
  back.close()
}

/** What the connections of one host may hold unread before a dial of it is refused, in bytes. */
const allowance = 64 << 10

/** Whether a socket's limits leave no room for another connection with this host. */
const isFull = ({ connections, options, unread }: MemoryPort, remote: NetAddress.IpAddress): boolean => {
  let fromThere = 0
  let unreadFromThere = 0
  for (const connection of connections) {
    if (!countTogether(connection.remoteAddress.address, remote)) continue
    fromThere += 1
    unreadFromThere += connection.unread
  }
  if (unread > options.unreadBuffer / 2 && unreadFromThere > allowance) return true
  return connections.size >= options.maxConnections || fromThere >= options.maxConnectionsPerIp
}

/** The length of the prefix by which IPv6 addresses count, in 16-bit segments: a /64. */
const prefixSegments = 4

/** Whether two IP addresses are the same, or in the same /64 of IPv6. */
const countTogether = (one: NetAddress.IpAddress, other: NetAddress.IpAddress): boolean => {
  if (NetAddress.isIpv4Address(one) || NetAddress.isIpv4Address(other)) return Equal.equals(one, other)
  const [of, to] = [NetAddress.ipv6ToSegments(one), NetAddress.ipv6ToSegments(other)]
  return of.slice(0, prefixSegments).every((segment, i) => segment === to[i])
}
