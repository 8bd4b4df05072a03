/**
 * The names under which a peer is counted, against limits for each peer and for each network.
 */
import * as NetAddress from "effect/net/NetAddress"

/**
 * Where a peer is counted. Only this module knows what a peer is: limits compare the texts.
 */
export interface PeerGroup {
  /** Identifies the peer. */
  readonly peer: string
  /** Identifies its IPv4 address, or the first 64 bits of its IPv6 address: an IPv6 host can use all addresses behind them. */
  readonly network: string
}

/**
 * The group of the peer at an address.
 */
export const fromAddress = (address: NetAddress.InetAddress): PeerGroup => ({
  peer: `${address}`,
  network: networkOf(NetAddress.toCanonical(address.address))
})

const networkOf = (ip: NetAddress.IpAddress): string =>
  NetAddress.isIpv4Address(ip)
    ? NetAddress.formatIp(ip)
    : NetAddress.ipv6ToSegments(ip)
        .slice(0, 4)
        .map((segment) => segment.toString(16))
        .join(":")
