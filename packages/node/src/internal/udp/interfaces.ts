/**
 * The network interfaces of this machine.
 */
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import { networkInterfaces } from "node:os"
import type { NetworkInterface } from "@qp2p/core/Transport"

/** The interfaces that are up, with an entry for each address; none if the system does not tell them. */
export const interfaces = (read = networkInterfaces): ReadonlyArray<NetworkInterface> => {
  try {
    return Object.entries(read()).flatMap(([name, addresses = []]) =>
      addresses.flatMap(({ address, cidr, scopeid }): ReadonlyArray<NetworkInterface> => {
        const parsed = NetAddress.ipFromString(address.replace(/%.*$/u, ""))
        if (Result.isFailure(parsed)) return []
        const prefixLength = Number(cidr?.slice(cidr.indexOf("/") + 1) ?? NetAddress.width(parsed.success))
        return [{ name, address: parsed.success, prefixLength, scopeId: scopeid ?? 0 }]
      })
    )
  } catch {
    return []
  }
}
