/**
 * Addresses as map keys.
 */
import * as NetAddress from "effect/net/NetAddress"

const formatted = new WeakMap<NetAddress.InetAddress, string>()

/** Most calls are with an address seen before, and formatting costs more than a message should. */
export const addressKey = (address: NetAddress.InetAddress): string => {
  let key = formatted.get(address)
  if (key !== undefined) return key
  // Nobody is at what is no address.
  if (!NetAddress.isInetAddress(address)) return ""
  formatted.set(address, (key = NetAddress.formatInet(address)))
  return key
}
