/** The public address of an endpoint, from what was found out and what the operator says. */
import * as NetAddress from "effect/net/NetAddress"
import type { EndpointConfig } from "../EndpointConfig.ts"
import { withScope } from "./localAddresses.ts"

/** What was found out about the outside, as far as the operator does not know better. */
export const publicAddress = (
  config: Pick<EndpointConfig, "externalIp" | "externalPort">,
  found: NetAddress.InetAddress
): NetAddress.InetAddress => {
  const address = NetAddress.inetAddressUnsafe(config.externalIp ?? found.address, config.externalPort ?? found.port)
  // A zone is that of the address which was found.
  const scopeId = config.externalIp === undefined && NetAddress.isInetAddressV6(found) ? found.scopeId : 0
  return NetAddress.toCanonical(withScope(address, scopeId))
}
