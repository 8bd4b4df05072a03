/**
 * Maps ports on the home router through UPnP Internet Gateway Device, versions 1 and 2.
 *
 * @stability unstable
 * @since 0.1.0
 */
import { PortMapper } from "@qp2p/core/PortMapper"
import * as Layer from "effect/Layer"
import * as mapper from "./internal/upnp/mapper.ts"
import type { Options } from "./internal/upnp/options.ts"

export type { Options } from "./internal/upnp/options.ts"

/**
 * A `PortMapper` for IPv4 gateways that speak UPnP (WANIPConnection and WANPPPConnection of any version).
 *
 * Gateways are asked one after the other, in the order in which they answer the search. When several answer and none
 * maps the port, the error is `NoneMapped` with the error of each. A lease is a whole number of seconds from 1 s to a
 * week; it is renewed when half of it has passed, and removed when the scope closes. A renewal that fails is repeated,
 * with a new search, until the gateway grants the mapping again; the mapping's `status` reports this. On a router that
 * supports only permanent mappings, the mapping has no lease and lasts until the scope closes. An unspecified internal
 * address (`0.0.0.0`) stands for the local address of the route to the gateway. IPv6 addresses, `[::]` included, fail
 * with `PortMapperUnsupported`.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<PortMapper> => Layer.sync(PortMapper, () => mapper.make(options))
