/**
 * Hosts, and what their sockets can be bound to.
 *
 * @since 0.1.0
 */
import { SocketError } from "@qp2p/core/EndpointError"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import type { Host } from "../../Gateway.ts"
import { ipFrom } from "./control.ts"
import { type Place, placeOf } from "./place.ts"
import type { Port, Realm } from "./realm.ts"
import type { Wire } from "./wire.ts"

/** Without an address it is a machine that has every one. */
export interface NetworkHost {
  readonly realm: Realm
  readonly address: NetAddress.IpAddress | undefined
}

export const anyHost = <P extends Port>(wire: Wire<P>): NetworkHost => ({
  realm: wire.internet,
  address: undefined
})

export const hostOf = <P extends Port>(
  wire: Wire<P>,
  host: Host
): Effect.Effect<NetworkHost, NetAddress.NetAddressError> =>
  Effect.map(ipFrom(host.address), (address) => {
    const realm = host.gateway?.nat.inside ?? wire.internet
    realm.addHost(address)
    return { realm, address }
  })

/** What a socket says that it is bound to, and where it is. They differ for wildcard addresses. */
export interface Bound {
  readonly address: NetAddress.InetAddress
  readonly place: Place
}

/** Finds a place for a socket on `host`; it is not taken yet. */
export const vacancy = (
  { address: own, realm }: NetworkHost,
  wanted: NetAddress.InetAddress
): Effect.Effect<Bound, SocketError> => {
  const wildcard = NetAddress.isUnspecified(wanted.address)
  const fail = (reason: string) => Effect.fail(new SocketError({ address: wanted, reason, cause: new Error(reason) }))
  if (own !== undefined) {
    const fits = wildcard
      ? sameFamily(own, wanted.address)
      : NetAddress.formatIp(own) === NetAddress.formatIp(wanted.address)
    if (!fits) return fail("the address is not one of this machine")
  }
  const vacant = realm.vacancy(own === undefined ? wanted : NetAddress.inetAddressUnsafe(own, wanted.port))
  if (vacant === undefined) return fail("the address is in use")
  const address = wildcard ? NetAddress.inetAddressUnsafe(wanted.address, vacant.port) : vacant
  return Effect.succeed({ address, place: placeOf(vacant) })
}

const sameFamily = (a: NetAddress.IpAddress, b: NetAddress.IpAddress) =>
  NetAddress.familyOf(a) === NetAddress.familyOf(b)
