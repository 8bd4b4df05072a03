/**
 * Groups IP addresses by who has them.
 */
import * as NetAddress from "effect/net/NetAddress"

/** The name under which an address counts: itself, or for IPv6 its /64, of which one host can use every address (RFC 4291, section 2.5.1). */
export const ipGroup = (address: NetAddress.IpAddress): string =>
  NetAddress.isIpv4Address(address)
    ? NetAddress.formatIp(address)
    : `${NetAddress.ipv6ToSegments(address)
        .slice(0, 4)
        .map((segment) => segment.toString(16))
        .join(":")}::/64`
