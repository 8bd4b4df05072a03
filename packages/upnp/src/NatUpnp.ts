/**
 * Maps ports on the home router through UPnP.
 *
 * @since 0.1.0
 */
import { PortMapper } from "@qp2p/core/PortMapper"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as http from "./internal/http.ts"
import * as mapper from "./internal/mapper.ts"

/**
 * How to look for the gateway and how long to wait for it. `searchTimeout` is how long the multicast search may take
 * (3 s by default), `requestTimeout` how long each HTTP request may take, answer included (1.5 s by default),
 * `description` the text that the router shows next to the mapping (`"qp2p"` by default; it is escaped).
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly searchTimeout?: Duration.Input | undefined
  readonly requestTimeout?: Duration.Input | undefined
  readonly description?: string | undefined
}

/**
 * A `PortMapper` for IPv4 gateways that speak UPnP (WANIPConnection 2 and 1, WANPPPConnection 1). A lease is asked for
 * in whole seconds, from 1 second to a week, renewed when half of it has passed, and removed when the scope closes. On
 * a router that knows only permanent mappings the mapping is permanent until then. An unspecified internal address
 * (`0.0.0.0`) is mapped to the local address that the gateway answered to. IPv6 fails with `PortMapperUnsupported`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<PortMapper> =>
  Layer.effect(PortMapper, Effect.provideServiceEffect(mapper.make(options), HttpClient.HttpClient, http.makeClient))
