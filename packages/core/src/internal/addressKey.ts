/**
 * Formats addresses as map keys.
 */
import * as NetAddress from "effect/net/NetAddress"

const formatted = new WeakMap<NetAddress.InetAddress, string>()

/** Returns the key of an address, from a cache: formatting would dominate a message's cost. Other values have the key `""`. */
export const addressKey = (address: NetAddress.InetAddress): string => {
  let key = formatted.get(address)
  if (key !== undefined) return key
  // No peer has this key.
  if (!NetAddress.isInetAddress(address)) return ""
  formatted.set(address, (key = NetAddress.formatInet(address)))
  return key
}
