/**
 * Where a socket is reached that is bound to every address.
 */
import * as NetAddress from "effect/net/NetAddress"
import type { NetworkInterface } from "../Transport.ts"

/**
 * The bound address, or for a wildcard those of the interfaces: the ones that most peers can reach come first. Where
 * nothing is known of interfaces, this machine at least reaches the loopback address.
 */
export const localAddresses = (
  bound: NetAddress.InetAddress,
  interfaces: () => ReadonlyArray<NetworkInterface>
): readonly [NetAddress.InetAddress, ...Array<NetAddress.InetAddress>] => {
  if (!NetAddress.isUnspecified(bound.address)) return [bound]
  const isV4 = NetAddress.isInetAddressV4(bound)
  const [first, ...rest] = interfaces()
    .filter(({ address }) => NetAddress.isIpv4Address(address) === isV4)
    .toSorted((a, b) => nearness(a.address) - nearness(b.address))
    .map(({ address, scopeId }) => placeOf(address, bound.port, scopeId))
  if (first !== undefined) return [first, ...rest]
  return [placeOf(isV4 ? NetAddress.ipv4Loopback : NetAddress.ipv6Loopback, bound.port, 0)]
}

const placeOf = (address: NetAddress.IpAddress, port: number, scopeId: number): NetAddress.InetAddress =>
  withScope(NetAddress.inetAddressUnsafe(address, port), NetAddress.isLinkLocal(address) ? scopeId : 0)

/** In the zone of an interface; IPv4 has none. */
export const withScope = (address: NetAddress.InetAddress, scopeId: number): NetAddress.InetAddress =>
  NetAddress.isInetAddressV6(address)
    ? NetAddress.inetAddressFromInputUnsafe({ address: address.address, port: address.port, scopeId })
    : address

/** How few peers an address is good for. */
const nearness = (address: NetAddress.IpAddress): number => {
  if (NetAddress.isLoopback(address)) return 3
  if (NetAddress.isLinkLocal(address)) return 2
  const isPrivate = NetAddress.isIpv4Address(address)
    ? NetAddress.isPrivate(address) || isShared(address)
    : NetAddress.isUniqueLocal(address)
  return isPrivate ? 1 : 0
}

/** What providers share among customers (RFC 6598). */
const isShared = (address: NetAddress.Ipv4Address): boolean => {
  const [first, second] = NetAddress.ipv4ToOctets(address)
  return first === 100 && second >= 64 && second < 128
}
