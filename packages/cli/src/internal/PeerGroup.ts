/**
 * The names under which a peer is counted, against limits for each peer and for each network.
 */
import type { PeerId } from "@qp2p/core/PeerId"
import * as NetAddress from "effect/net/NetAddress"

/**
 * Where a peer is counted. Keys cost nothing, so a limit for each key means little without one for each network.
 */
export interface PeerGroup {
  /** The key that the peer has proven. */
  readonly peer: PeerId
  /**
   * Identifies the IPv4 address that the peer has proven, or the first 64 bits of its IPv6 address: an IPv6 host can use all
   * addresses behind them.
   */
  readonly network: string
}

/**
 * The group of a peer at an address.
 */
export const make = (peer: PeerId, address: NetAddress.InetAddress): PeerGroup => ({
  peer,
  network: networkOf(address)
})

/**
 * The network of an address, as in `PeerGroup`.
 */
export const networkOf = (address: NetAddress.InetAddress): string => {
  const ip = NetAddress.toCanonical(address.address)
  return NetAddress.isIpv4Address(ip)
    ? NetAddress.formatIp(ip)
    : NetAddress.ipv6ToSegments(ip)
        .slice(0, 4)
        .map((segment) => segment.toString(16))
        .join(":")
}
