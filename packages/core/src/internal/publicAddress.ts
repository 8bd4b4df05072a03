import * as NetAddress from "effect/net/NetAddress"
import type { EndpointConfig } from "../EndpointConfig.ts"

/** What was found out about the outside, as far as the operator does not know better. */
export const publicAddress = (
  config: Pick<EndpointConfig, "externalIp" | "externalPort">,
  found: NetAddress.InetAddress
): NetAddress.InetAddress =>
  NetAddress.toCanonical(
    NetAddress.inetAddressUnsafe(config.externalIp ?? found.address, config.externalPort ?? found.port)
  )
