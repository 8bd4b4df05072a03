/** An address realm (RFC 2663): the public network, or the private one of a gateway. */
import * as NetAddress from "effect/net/NetAddress"
import { type Place, placeAt, placeOf } from "./place.ts"

/** The first dynamic port (RFC 6335, section 6). */
const firstPort = 49152
const lastPort = 65535

/** A bound socket. */
export interface Port {
  /** The place at which packets for the socket arrive. */
  readonly place: Place
  /** The place that it bound, which its owner and the test know. */
  readonly home: Place
  readonly realm: Realm
}

/** A gateway between two realms, as far as packets pass through it. */
export interface RealmGateway {
  readonly inside: Realm
  readonly outside: Realm
  readonly hairpinning: boolean
  /** Whether packets to this place arrive at this gateway. */
  leadsTo(place: Place): boolean
  /** The external place of a packet from `inner` to `to`; undefined when every port is taken. */
  outbound(inner: Place, to: Place): Place | undefined
  /** The internal socket for a packet from `from` to `port`; undefined when the packet is filtered. */
  inbound(port: number, from: Place): Place | undefined
}

/** A network in which sockets reach each other by address: the public one, or a private one behind a gateway. */
export class Realm {
  /** The gateway that leads out of this realm; undefined for the public network. */
  nat: RealmGateway | undefined
  /** The gateways of private realms behind this one. */
  readonly gateways: Array<RealmGateway> = []
  readonly ports = new Map<string, Port>()
  private readonly hosts = new Set<string>()
  /** Additional addresses of hosts, with the primary one that each belongs to. */
  private readonly further = new Map<string, NetAddress.IpAddress>()
  private readonly nextPorts = new Map<string, number>()

  /** The socket that packets for `place` arrive at. */
  portAt(place: Place): Port | undefined {
    const port = this.ports.get(place.key)
    const own = port === undefined ? this.further.get(place.host) : undefined
    return own === undefined ? port : this.ports.get(placeAt(own, place.address.port).key)
  }

  /** Routes packets for `address` to the host at `own`. */
  addAddress(own: NetAddress.IpAddress, address: NetAddress.IpAddress) {
    this.further.set(NetAddress.formatIp(address), own)
    this.addHost(address)
  }

  /** A free address to bind; undefined when `wanted` is in use. */
  vacancy(wanted: NetAddress.InetAddress): NetAddress.InetAddress | undefined {
    if (wanted.port === 0) return this.ephemeral(wanted.address)
    return this.ports.has(placeOf(wanted).key) ? undefined : wanted
  }

  add(port: Port) {
    this.ports.set(port.place.key, port)
    this.hosts.add(port.place.host)
  }

  remove(port: Port) {
    this.ports.delete(port.place.key)
  }

  /** Adds a host. It stays known when its sockets are closed, so that packets to it are not routed elsewhere. */
  addHost(address: NetAddress.IpAddress) {
    this.hosts.add(NetAddress.formatIp(address))
  }

  has(place: Place) {
    return this.hosts.has(place.host)
  }

  private ephemeral(address: NetAddress.IpAddress): NetAddress.InetAddress | undefined {
    const { host } = placeAt(address, 0)
    let port = this.nextPorts.get(host) ?? firstPort
    for (let tries = firstPort; tries <= lastPort; tries++) {
      const found = NetAddress.inetAddressUnsafe(address, port)
      port = port === lastPort ? firstPort : port + 1
      this.nextPorts.set(host, port)
      if (!this.ports.has(placeOf(found).key)) return found
    }
    return undefined
  }
}
