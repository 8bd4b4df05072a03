/**
 * What a peer is called.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Brand from "effect/Brand"
import * as NetAddress from "effect/net/NetAddress"
import { sha3_256 } from "@noble/hashes/sha3.js"
import { bytesToHex } from "@noble/hashes/utils.js"
import { inetAddress, ofValue } from "./InvalidArgument.ts"

/**
 * A name for the peer at the other end of a connection, derived from the address at which this side dialled it, or from
 * which it dialled. It stays the connection's when the peer moves or answers from elsewhere: `connectionId` finds it by
 * either address, and `addressOf` tells where the peer is now.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type ConnectionId = Brand.Branded<string, "@qp2p/core/ConnectionId">

/**
 * SHA3-256 over the address octets (4 or 16) and the port as two bytes, big-endian: qp2p's `XorName`, as 64 lowercase
 * hexadecimal digits. Callers without types get an `InvalidArgument` when this is no address.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const fromAddress = (peer: NetAddress.InetAddress): ConnectionId => {
  const wrong = ofValue("peer", peer, inetAddress)
  if (wrong !== undefined) return wrong as never
  const octets = NetAddress.isInetAddressV4(peer)
    ? NetAddress.ipv4ToOctets(peer.address)
    : NetAddress.ipv6ToOctets(peer.address)
  return bytesToHex(sha3_256(Uint8Array.of(...octets, peer.port >>> 8, peer.port & 0xff))) as ConnectionId
}

/**
 * The generator that an endpoint calls once for each connection, with the address that was dialled, or dialled from.
 * Provide another to name peers differently.
 *
 * @stability unstable
 * @category references
 * @since 0.1.0
 */
export const ConnectionId: Context.Reference<(peer: NetAddress.InetAddress) => ConnectionId> = Context.Reference(
  "@qp2p/core/ConnectionId",
  { defaultValue: () => fromAddress }
)
