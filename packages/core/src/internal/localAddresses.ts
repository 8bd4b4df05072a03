/**
 * Lists the addresses at which the local network reaches a socket.
 */
import * as NetAddress from "effect/net/NetAddress"
import type { NetworkInterface } from "../Transport.ts"

/**
 * Returns the bound address, or for a wildcard the addresses of the interfaces, with those that most peers can reach first.
 * Without known interfaces, it returns the loopback address.
 */
export const localAddresses = (
  bound: NetAddress.InetAddress,
  interfaces: () => ReadonlyArray<NetworkInterface>
): readonly [NetAddress.InetAddress, ...Array<NetAddress.InetAddress>] => {
  if (!NetAddress.isUnspecified(bound.address)) return [bound]
  const isV4 = NetAddress.isInetAddressV4(bound)
  const [first, ...rest] = interfaces()
    .filter(({ address }) => NetAddress.isIpv4Address(address) === isV4)
    .toSorted((a, b) => reachRank(a.address) - reachRank(b.address))
    .map(({ address, scopeId }) => inetAddressOf(address, bound.port, scopeId))
  if (first !== undefined) return [first, ...rest]
  return [inetAddressOf(isV4 ? NetAddress.ipv4Loopback : NetAddress.ipv6Loopback, bound.port, 0)]
}

const inetAddressOf = (address: NetAddress.IpAddress, port: number, scopeId: number): NetAddress.InetAddress =>
  withScope(NetAddress.inetAddressUnsafe(address, port), NetAddress.isLinkLocal(address) ? scopeId : 0)

/** Sets the scope id of an IPv6 address; an IPv4 address has none. */
export const withScope = (address: NetAddress.InetAddress, scopeId: number): NetAddress.InetAddress =>
  NetAddress.isInetAddressV6(address)
    ? NetAddress.inetAddressFromInputUnsafe({ address: address.address, port: address.port, scopeId })
    : address

/** Ranks an address by its reach: 0 for global, 1 for private, 2 for link-local, 3 for loopback. */
const reachRank = (address: NetAddress.IpAddress): number => {
  if (NetAddress.isLoopback(address)) return 3
  if (NetAddress.isLinkLocal(address)) return 2
  const isPrivate = NetAddress.isIpv4Address(address)
    ? NetAddress.isPrivate(address) || isShared(address)
    : NetAddress.isUniqueLocal(address)
  return isPrivate ? 1 : 0
}

/** Tells whether an address is in the shared address space of providers (RFC 6598). */
const isShared = (address: NetAddress.Ipv4Address): boolean => {
  const [first, second] = NetAddress.ipv4ToOctets(address)
  return first === 100 && second >= 64 && second < 128
}
