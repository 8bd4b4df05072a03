/**
 * A peer's name, derived from its address.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Brand from "effect/Brand"
import * as NetAddress from "effect/net/NetAddress"
import { sha3_256 } from "@noble/hashes/sha3.js"
import { addressKey } from "./internal/addressKey.ts"
import { inetAddress, ofValue } from "./InvalidArgument.ts"

/**
 * The name of a connection's peer, derived from the address that this side dialled, or that the peer dialled from.
 *
 * A connection keeps its id when the peer moves or answers from another address. `Endpoint.connectionId` finds the id by
 * either address, and `Endpoint.addressOf` returns the peer's current address.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type ConnectionId = Brand.Branded<string, "@qp2p/core/ConnectionId">

/** The ids of recent addresses: programs dial the same peers again and again, and the hash takes as long as a packet. */
const derived = new Map<string, ConnectionId>()
const maxDerived = 4_096

const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))

const derive = (peer: NetAddress.InetAddress): ConnectionId => {
  const octets = NetAddress.isInetAddressV4(peer)
    ? NetAddress.ipv4ToOctets(peer.address)
    : NetAddress.ipv6ToOctets(peer.address)
  const hash = sha3_256(Uint8Array.of(...octets, peer.port >>> 8, peer.port & 0xff))
  // Text that is joined takes less memory than text that is made piece by piece.
  return Array.from(hash, (byte) => digits[byte]!).join("") as ConnectionId
}

/**
 * Derives a `ConnectionId` from an address: 64 lowercase hexadecimal digits, qp2p's `XorName`.
 *
 * The id is the SHA3-256 of the address octets (4 or 16) and of the port (2 bytes, big-endian). Returns an `InvalidArgument`
 * to callers without types when `peer` is not an address.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const fromAddress = (peer: NetAddress.InetAddress): ConnectionId => {
  const wrong = ofValue("peer", peer, inetAddress)
  if (wrong !== undefined) return wrong as never
  const key = addressKey(peer)
  let id = derived.get(key)
  if (id === undefined) {
    if (derived.size >= maxDerived) derived.clear()
    derived.set(key, (id = derive(peer)))
  }
  return id
}

/**
 * The function that derives a peer's id. An endpoint calls it once for each connection, with the dialled address or with
 * the address that the peer dialled from. The default is `fromAddress`; provide another function to name peers differently.
 *
 * @stability unstable
 * @category references
 * @since 0.1.0
 */
export const ConnectionId: Context.Reference<(peer: NetAddress.InetAddress) => ConnectionId> = Context.Reference(
  "@qp2p/core/ConnectionId",
  { defaultValue: () => fromAddress }
)
