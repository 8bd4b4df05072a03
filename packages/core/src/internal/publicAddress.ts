/** Computes an endpoint's public address from the detected address and the configuration. */
import * as NetAddress from "effect/net/NetAddress"
import type { EndpointConfig } from "../EndpointConfig.ts"
import { withScope } from "./localAddresses.ts"

/** Overrides the detected address with the configured IP and port, each where it is set. */
export const publicAddress = (
  config: Pick<EndpointConfig, "externalIp" | "externalPort">,
  detected: NetAddress.InetAddress
): NetAddress.InetAddress => {
  const address = NetAddress.inetAddressUnsafe(
    config.externalIp ?? detected.address,
    config.externalPort ?? detected.port
  )
  // A configured IP address has no zone: the detected zone belongs to the detected address.
  const scopeId = config.externalIp === undefined && NetAddress.isInetAddressV6(detected) ? detected.scopeId : 0
  return NetAddress.toCanonical(withScope(address, scopeId))
}
