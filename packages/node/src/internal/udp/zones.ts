/**
 * The zones of link-local IPv6 addresses (RFC 4007): Unix systems name them by interface, `fe80::1%eth0`; Windows, and
 * addresses here, by number, `fe80::1%2`.
 */
import * as NetAddress from "effect/net/NetAddress"
import type { NetworkInterface } from "@qp2p/core/Transport"
import { interfaces as interfacesOfMachine } from "./interfaces.ts"
import { maxNeighbours } from "../tunables/udp.ts"

/**
 * Translates zones between interface names and numbers, from a list of interfaces that is read again when a zone is unknown.
 */
export class Zones {
  private readonly interfaces: () => ReadonlyArray<NetworkInterface>
  private readonly platform: string
  private ids: ReadonlyMap<string, number> | undefined = undefined
  private readonly plainHosts = new Map<string, string>()

  /** `platform` is in the words of `process.platform`. */
  constructor(interfaces: () => ReadonlyArray<NetworkInterface> = interfacesOfMachine, platform = process.platform) {
    this.interfaces = interfaces
    this.platform = platform
  }

  /** The host of an address as the system takes it. Throws when no interface has its zone: the system would send elsewhere. */
  hostOf(address: NetAddress.InetAddress): string {
    if (!NetAddress.isInetAddressV6(address) || address.scopeId === 0) return NetAddress.formatHost(address)
    const name = this.nameOf(address.scopeId)
    return this.platform === "win32"
      ? NetAddress.formatHost(address)
      : `${NetAddress.formatIp(address.address)}%${name}`
  }

  /** A host as the driver formats it, from a host as the system names it. */
  plain(host: string): string {
    const at = host.indexOf("%")
    return at === -1 ? host : this.plainZone(host, at)
  }

  private plainZone(host: string, at: number): string {
    const known = this.plainHosts.get(host)
    if (known !== undefined) return known
    const zone = host.slice(at + 1)
    const id = /^\d+$/.test(zone) ? zone : (this.interfaceIds().get(zone) ?? this.interfaceIds(true).get(zone))
    // A zone without a number is left out, until there is a number.
    if (id === undefined) return host.slice(0, at)
    const plain = `${host.slice(0, at)}%${id}`
    if (this.plainHosts.size >= maxNeighbours) this.plainHosts.clear()
    this.plainHosts.set(host, plain)
    return plain
  }

  private nameOf(id: number): string {
    // The interface may be newer than the list.
    const name = nameIn(this.interfaceIds(), id) ?? nameIn(this.interfaceIds(true), id)
    if (name === undefined) throw Object.assign(new Error(`no interface has the zone ${id}`), { code: "ENODEV" })
    return name
  }

  private interfaceIds(anew = false): ReadonlyMap<string, number> {
    if (this.ids === undefined || anew) this.ids = this.readIds()
    return this.ids
  }

  private readIds(): ReadonlyMap<string, number> {
    const ids = new Map<string, number>()
    for (const { name, scopeId } of this.interfaces()) if (scopeId > 0) ids.set(name, scopeId)
    return ids
  }
}

const nameIn = (ids: ReadonlyMap<string, number>, id: number): string | undefined => {
  for (const [name, its] of ids) if (its === id) return name
  return undefined
}
