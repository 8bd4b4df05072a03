/**
 * Groups IP addresses that one subscriber has.
 */
import * as NetAddress from "effect/net/NetAddress"

/** The length of the prefix by which IPv6 addresses count, in octets: a subscriber has at least a /64 (RFC 6177). */
const ipv6PrefixLength = 8

/**
 * Returns the key under which limits count an IP address: the IPv4 address itself, or the /64 of an IPv6 address. An
 * IPv4-mapped address counts as the IPv4 address in it.
 */
export const ipPrefix = (address: NetAddress.IpAddress): string => {
  const canonical = NetAddress.toCanonical(address)
  return NetAddress.isIpv4Address(canonical)
    ? NetAddress.formatIp(canonical)
    : `${NetAddress.ipv6ToOctets(canonical).slice(0, ipv6PrefixLength).join(".")}/64`
}
