/**
 * The seam to whatever opens a port on the gateway.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { firstOf } from "./internal/firstOf.ts"
import { check, inetAddress, isRecord, ofValue, unless, untyped } from "./InvalidArgument.ts"
import { Mapped, type MappingStatus } from "./MappingStatus.ts"
import { type PortMapperError, PortMapperUnsupported } from "./PortMapperError.ts"

/**
 * A mapping that the gateway granted: packets to `external` arrive at `internal`. `status` says what has become of it
 * since, now (`SubscriptionRef.get`) and as a stream (`SubscriptionRef.changes`, which begins with what is now).
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Mapping {
  /** The address that packets are forwarded to. */
  readonly internal: NetAddress.InetAddress
  /** The address that packets are sent to. */
  readonly external: NetAddress.InetAddress
  /** The current state of the mapping, and its changes. */
  readonly status: SubscriptionRef.SubscriptionRef<MappingStatus>
}

/**
 * A mapping that was just granted.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const granted = (internal: NetAddress.InetAddress, external: NetAddress.InetAddress): Effect.Effect<Mapping> =>
  unless(
    () => ofValue("internal", internal, inetAddress) ?? ofValue("external", external, inetAddress),
    () =>
      Effect.map(SubscriptionRef.make<MappingStatus>(Mapped({ external })), (status) => ({
        internal,
        external,
        status
      }))
  )

/**
 * What to map. `external` is the port wished for; the gateway may grant another. The mapper asks for `lease`, and
 * renews before it ends.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface MapOptions {
  /** The address to forward packets to. */
  readonly internal: NetAddress.InetAddress
  /** The external port that is asked for; the gateway may grant another. */
  readonly external?: number | undefined
  /** How long the mapping is asked to last. */
  readonly lease: Duration.Duration
}

/**
 * Maps UDP ports on the gateway. A mapping is renewed while its scope lives and removed when it closes.
 *
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export class PortMapper extends Context.Service<
  PortMapper,
  {
    /** Asks the gateway for a mapping, which is renewed while the scope is open and removed when it closes. */
    readonly map: (options: MapOptions) => Effect.Effect<Mapping, PortMapperError, Scope.Scope>
  }
>()("@qp2p/core/PortMapper") {}

/**
 * Asks each mapper in turn, the next one when the one before has failed and removed what it may have left on the gateway:
 * two protocols of one gateway share its table of ports. Fails with `NoneMapped`, which names them as `mappers` does, or
 * with the error of the only one.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerFirstOf = <E = never, R = never>(
  mappers: Readonly<Record<string, Layer.Layer<PortMapper, E, R>>>
): Layer.Layer<PortMapper, E, R> =>
  Layer.effect(
    PortMapper,
    Effect.suspend(() => {
      const wrong = ofValue("mappers", mappers, layers)
      if (wrong !== undefined) return untyped(wrong)
      return Effect.map(
        Effect.forEach(Object.entries(mappers), ([by, mapper]) =>
          Effect.map(Layer.build(mapper), (services) => ({ by, mapper: Context.get(services, PortMapper) }))
        ),
        (built) => ({ map: (options) => firstOf(built.map(({ by, mapper }) => ({ by, effect: mapper.map(options) }))) })
      )
    })
  )

const layers = check(
  "must be an object with a Layer for each name",
  (value) => isRecord(value) && Object.values(value).every(Layer.isLayer)
)

/**
 * For endpoints that need no mapping. Asking it for one fails with `PortMapperUnsupported`.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerNone: Layer.Layer<PortMapper> = Layer.succeed(PortMapper, {
  map: () =>
    Effect.fail(new PortMapperUnsupported({ detail: "forwardPort is set, but this endpoint was given no port mapper" }))
})
