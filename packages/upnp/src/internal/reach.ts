/** Classifies IPv4 addresses by where they can be reached from. */
import { check, ofValue } from "@qp2p/core/InvalidArgument"
import * as NetAddress from "effect/net/NetAddress"

/**
 * Where an address of a gateway can be reached from: `Public`, the whole internet; `Private`, a network behind another
 * gateway (RFC 1918); `Shared`, the network of a provider that translates addresses itself (carrier-grade NAT, RFC 6598);
 * `Special`, nowhere or not from afar: loopback, link-local, documentation, multicast, reserved (RFC 6890).
 */
export type Reach = "Public" | "Private" | "Shared" | "Special"

/** The prefixes of RFC 6890's registry that packets from other networks do not reach. */
const special: ReadonlyArray<readonly [string, number]> = [
  ["0.0.0.0", 8],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4]
]

const shared: ReadonlyArray<readonly [string, number]> = [["100.64.0.0", 10]]

const wordOf = (octets: ReadonlyArray<number>): number => octets.reduce((word, octet) => word * 256 + octet, 0)

const isIn = (word: number, ranges: ReadonlyArray<readonly [string, number]>): boolean =>
  ranges.some(([first, length]) => {
    const size = 2 ** (32 - length)
    return Math.floor(word / size) === Math.floor(wordOf(first.split(".").map(Number)) / size)
  })

const ipv4 = check("must be an Ipv4Address", NetAddress.isIpv4Address)

/** Classifies an address. Callers without types get an `InvalidArgument` when it is not an `Ipv4Address`. */
export const reachOf = (address: NetAddress.Ipv4Address): Reach => {
  const wrong = ofValue("address", address, ipv4)
  if (wrong !== undefined) return wrong as never
  if (NetAddress.isPrivate(address)) return "Private"
  const word = wordOf(NetAddress.ipv4ToOctets(address))
  if (isIn(word, shared)) return "Shared"
  return isIn(word, special) ? "Special" : "Public"
}
