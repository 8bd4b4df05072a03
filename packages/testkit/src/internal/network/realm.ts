/** A network that addresses hold in: the public one, or the inside of a gateway. */
import * as NetAddress from "effect/net/NetAddress"
import type { Nat } from "./nat.ts"
import { type Place, placeAt, placeOf } from "./place.ts"

/** The first of the dynamic ports (RFC 6335, section 6). */
const firstPort = 49152
const lastPort = 65535

/** A bound socket. */
export interface Port {
  /** Where packets for it come to. */
  readonly place: Place
  /** Where it was bound: what its owner and the test call it. */
  readonly home: Place
  readonly realm: Realm
}

export class Realm {
  /** The gateway that leads out of it, if it is one's inside. */
  nat: Nat | undefined
  /** Gateways that are seen from here, by their addresses here. */
  readonly gateways: Array<Nat> = []
  readonly ports = new Map<string, Port>()
  private readonly hosts = new Set<string>()
  /** Further addresses of hosts, and the ones that those answer from. */
  private readonly further = new Map<string, NetAddress.IpAddress>()
  private readonly nextPorts = new Map<string, number>()

  /** The socket that packets for `place` come to. */
  portAt(place: Place): Port | undefined {
    const port = this.ports.get(place.key)
    const own = port === undefined ? this.further.get(place.host) : undefined
    return own === undefined ? port : this.ports.get(placeAt(own, place.address.port).key)
  }

  /** What comes to `address` is for the host at `own`. */
  addAddress(own: NetAddress.IpAddress, address: NetAddress.IpAddress) {
    this.further.set(NetAddress.formatIp(address), own)
    this.addHost(address)
  }

  /** An address that a socket can be bound to, or nothing if it is in use. */
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

  /** A host stays known when its sockets are closed: packets to it do not look for it elsewhere. */
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
