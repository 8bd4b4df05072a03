/**
 * Reads addresses from text, and tells which addresses can be dialled or bound.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import { InvalidAddress } from "./ConnectionError.ts"
import { parseInetAddress } from "./internal/addressText.ts"
import { show } from "./internal/arguments.ts"
import type { NetworkInterface } from "./Transport.ts"

/**
 * The text with which the detail of every `InvalidAddress` about malformed text begins.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const expected = "expected host:port such as 127.0.0.1:4433 or [::1]:4433"

/**
 * Reads an address from text such as `"127.0.0.1:4433"` or `"[fe80::1%eth0]:4433"`.
 *
 * The name of an interface becomes the scope id that `interfaces` gives it. An IPv4-mapped IPv6 address becomes the IPv4
 * address in it. Each address therefore has one form. DNS names are not resolved. The error's `detail` says what was
 * expected and what is wrong with the text.
 *
 * @stability unstable
 * @category decoding
 * @since 0.1.0
 */
export const fromString = (
  input: string,
  interfaces: () => ReadonlyArray<NetworkInterface> = () => []
): Result.Result<NetAddress.InetAddress, InvalidAddress> => {
  if (typeof input !== "string") return Result.fail(new InvalidAddress({ input: show(input), detail: expected }))
  return Result.mapError(
    parseInetAddress(input, interfaces),
    (problem) => new InvalidAddress({ input, detail: `${expected}; ${problem}` })
  )
}

/**
 * Returns why no transport can dial an address: its port is 0, or it is not the address of one host. Returns undefined
 * when it can be dialled.
 *
 * `interfaces` gives the broadcast addresses of this machine's networks; without it, they are not recognised.
 *
 * @stability unstable
 * @category predicates
 * @since 0.1.0
 */
export const undiallable = (
  peer: NetAddress.InetAddress,
  interfaces: () => ReadonlyArray<NetworkInterface> = () => []
): string | undefined => {
  if (!NetAddress.isInetAddress(peer)) return noAddress
  return peer.port === 0 ? "port 0 cannot be dialled" : notOneHost(NetAddress.toCanonical(peer.address), interfaces)
}

const noAddress = "it is no address"

/**
 * Returns why an address is not that of one host: it is unspecified, multicast or broadcast. Returns undefined when it is.
 *
 * @stability unstable
 * @category predicates
 * @since 0.1.0
 */
export const notOneHost = (
  address: NetAddress.IpAddress,
  interfaces: () => ReadonlyArray<NetworkInterface> = () => []
): string | undefined => {
  if (!NetAddress.isIpAddress(address)) return noAddress
  if (NetAddress.isUnspecified(address)) return "the unspecified address belongs to no host"
  if (NetAddress.isMulticast(address)) return "a multicast address is a group's, and not one peer's"
  if (!NetAddress.isIpv4Address(address)) return undefined
  if (NetAddress.isBroadcast(address)) return "the broadcast address is everybody's, and not one peer's"
  // The host part of a broadcast address is all ones, at least two bits. Other addresses do not need the interfaces.
  if ((NetAddress.ipv4ToOctets(address)[3] & 3) !== 3) return undefined
  const network = interfaces().find((each) => isBroadcastOf(each, address))
  return network && `the broadcast address of ${network.name} is everybody's there, and not one peer's`
}

/** Tells whether an address is the broadcast address of a network. Prefixes of 31 and 32 bits have none (RFC 3021). */
const isBroadcastOf = ({ address, prefixLength }: NetworkInterface, other: NetAddress.Ipv4Address): boolean => {
  if (!NetAddress.isIpv4Address(address) || prefixLength > 30) return false
  const network = IpNetwork.fromAddress(address, prefixLength)
  return (
    Result.isSuccess(network) &&
    NetAddress.formatIp(IpNetwork.lastAddress(network.success)) === NetAddress.formatIp(other)
  )
}

/**
 * Returns why no transport can bind a socket to an address: it is multicast or broadcast, or it is link-local and names no
 * zone. Returns undefined when it can be bound.
 *
 * @stability unstable
 * @category predicates
 * @since 0.1.0
 */
export const unbindable = (local: NetAddress.InetAddress): string | undefined => {
  if (!NetAddress.isInetAddress(local)) return noAddress
  const { address } = local
  if (NetAddress.isMulticast(address) || (NetAddress.isIpv4Address(address) && NetAddress.isBroadcast(address))) {
    return notOneHost(address)
  }
  return NetAddress.isInetAddressV6(local) && NetAddress.isLinkLocal(local.address) && local.scopeId === 0
    ? `a link-local address needs the zone of its interface, as in [${NetAddress.formatIp(address)}%eth0]:${local.port}`
    : undefined
}
