/**
 * Maps ports on the home router through UPnP.
 *
 * @since 0.1.0
 */
import { PortMapper } from "@qp2p/core/PortMapper"
import type * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import * as mapper from "./internal/upnp/mapper.ts"

/**
 * How to look for the gateway and how long to wait for it. `searchTimeout` is how long the multicast search may take
 * (3 s by default), `requestTimeout` how long each HTTP request may take, answer included (1.5 s by default),
 * `description` the text that the router shows next to the mapping (`"qp2p"` by default; it is escaped). `onConflict` says
 * what to do when the external port belongs to another host: `"nextPort"` (the default) tries up to eight further ports,
 * counting up and going on with 1024 after 65535; `"fail"` does not. Either way it fails with `MappingConflict` when no
 * port was free.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly searchTimeout?: Duration.Input | undefined
  readonly requestTimeout?: Duration.Input | undefined
  readonly description?: string | undefined
  readonly onConflict?: "nextPort" | "fail" | undefined
}

/**
 * A `PortMapper` for IPv4 gateways that speak UPnP (WANIPConnection and WANPPPConnection of any version). When several gateways
 * answer the search they are asked one after the other, the first at once; when none maps the port the error is `NoneMapped`
 * with what each said. A lease is asked for in whole seconds, from 1 second to a week, renewed when half of it has passed,
 * and removed when the scope closes. A renewal that fails is tried again, with a new search, until the gateway grants the
 * mapping again; the `status` of the mapping says so. On a router that knows only permanent mappings the mapping is
 * permanent until the scope closes. An unspecified internal address (`0.0.0.0`) is the local address on the way to the
 * gateway. IPv6 fails with `PortMapperUnsupported`, and so does `[::]`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<PortMapper> => Layer.sync(PortMapper, () => mapper.make(options))
