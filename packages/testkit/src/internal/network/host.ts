/** Hosts, and the addresses that their sockets can bind. */
import { ofRecord, unless } from "@qp2p/core/InvalidArgument"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import type { NetworkInterface } from "@qp2p/core/Transport"
import type { Host } from "../../Gateway.ts"
import { host as hostFields } from "../checks.ts"
import { ipFrom } from "./control.ts"
import { type Place, placeOf } from "./place.ts"
import type { Port, Realm } from "./realm.ts"
import type { Wire } from "./wire.ts"

/** A host. Without an address it has every address. */
export interface NetworkHost {
  readonly realm: Realm
  readonly address: NetAddress.IpAddress | undefined
}

/** The host in the public network without an address of its own: a socket of it may bind to any address. */
export const anyHost = <P extends Port>(wire: Wire<P>): NetworkHost => ({
  realm: wire.internet,
  address: undefined
})

/** Finds the realm of a host, and adds its address there. Fails for text that is not an IP address. */
export const hostOf = <P extends Port>(
  wire: Wire<P>,
  host: Host
): Effect.Effect<NetworkHost, NetAddress.NetAddressError> =>
  unless(
    () => ofRecord("host", host, hostFields),
    () =>
      Effect.map(ipFrom(host.address), (address) => {
        const realm = host.gateway?.nat.inside ?? wire.internet
        realm.addHost(address)
        return { realm, address }
      })
  )

/** The addresses of a host; for one that has every address, those at which a wildcard address is reached. */
export const interfacesOf =
  ({ address }: NetworkHost) =>
  (): ReadonlyArray<NetworkInterface> =>
    (address === undefined ? NetAddress.loopbackAddresses : [address]).map((own) => ({
      name: address === undefined ? "lo" : "eth0",
      address: own,
      prefixLength: NetAddress.width(own),
      scopeId: address === undefined || NetAddress.isIpv4Address(own) ? 0 : 2
    }))

/** The address that a socket reports, and the place where it is reached. They differ for wildcard addresses. */
export interface Bound {
  readonly address: NetAddress.InetAddress
  readonly place: Place
}

/** Why an address cannot be bound. */
export type Refusal = "AddressInUse" | "AddressNotAvailable"

/** Finds a place for a socket on `host`, without taking it. */
export const vacancy = (
  { address: own, realm }: NetworkHost,
  wanted: NetAddress.InetAddress
): Result.Result<Bound, Refusal> => {
  const wildcard = NetAddress.isUnspecified(wanted.address)
  if (own !== undefined && !fits(own, wanted.address, wildcard)) return Result.fail("AddressNotAvailable")
  const vacant = realm.vacancy(own === undefined ? wanted : NetAddress.inetAddressUnsafe(own, wanted.port))
  if (vacant === undefined) return Result.fail("AddressInUse")
  const address = wildcard ? NetAddress.inetAddressUnsafe(wanted.address, vacant.port) : vacant
  return Result.succeed({ address, place: placeOf(vacant) })
}

const fits = (own: NetAddress.IpAddress, wanted: NetAddress.IpAddress, wildcard: boolean) =>
  wildcard
    ? NetAddress.familyOf(own) === NetAddress.familyOf(wanted)
    : NetAddress.formatIp(own) === NetAddress.formatIp(wanted)
