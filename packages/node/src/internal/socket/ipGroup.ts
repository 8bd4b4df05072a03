/**
 * Groups IP addresses by who has them.
 */
import * as NetAddress from "effect/net/NetAddress"

/**
 * The name under which an IP address counts: itself, or for IPv6 its /64, of which one host can use every address (RFC 4291,
 * section 2.5.1), with the zone of a link-local one. An IPv4-mapped address counts as the IPv4 address in it.
 */
export const ipGroup = (address: NetAddress.IpAddress, scopeId = 0): string => {
  const canonical = NetAddress.toCanonical(address)
  if (NetAddress.isIpv4Address(canonical)) return NetAddress.formatIp(canonical)
  const prefix = NetAddress.ipv6ToSegments(canonical).slice(0, 4)
  return `${prefix.map((segment) => segment.toString(16)).join(":")}::/64${scopeId === 0 ? "" : `%${scopeId}`}`
}

/** The name under which the IP address of a peer counts. */
export const ipGroupOf = (peer: NetAddress.InetAddress): string =>
  ipGroup(peer.address, NetAddress.isInetAddressV6(peer) ? peer.scopeId : 0)
