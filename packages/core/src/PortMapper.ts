/**
 * The seam to whatever opens a port on the gateway.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import { type PortMapperError, PortMapperUnsupported } from "./PortMapperError.ts"

/**
 * A mapping that the gateway granted: packets to `external` arrive at `internal`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Mapping {
  readonly internal: NetAddress.InetAddress
  readonly external: NetAddress.InetAddress
}

/**
 * What to map. `external` is the port wished for; the gateway may grant another. The mapper asks for `lease`, and
 * renews before it ends.
 *
 * @category models
 * @since 0.1.0
 */
export interface MapOptions {
  readonly internal: NetAddress.InetAddress
  readonly external?: number | undefined
  readonly lease: Duration.Duration
}

/**
 * Maps UDP ports on the gateway. A mapping is renewed while its scope lives and removed when it closes.
 *
 * @category services
 * @since 0.1.0
 */
export class PortMapper extends Context.Service<
  PortMapper,
  {
    readonly map: (options: MapOptions) => Effect.Effect<Mapping, PortMapperError, Scope.Scope>
  }
>()("@qp2p/core/PortMapper") {}

/**
 * For endpoints that need no mapping. Asking it for one fails with `PortMapperUnsupported`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerNone: Layer.Layer<PortMapper> = Layer.succeed(PortMapper, {
  map: () =>
    Effect.fail(new PortMapperUnsupported({ reason: "forwardPort is set, but this endpoint was given no port mapper" }))
})
