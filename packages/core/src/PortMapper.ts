/**
 * The service that maps UDP ports on the gateway.
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
import { firstSuccessOf } from "./internal/firstSuccessOf.ts"
import { check, inetAddress, isRecord, ofValue, unless, untyped } from "./InvalidArgument.ts"
import { Mapped, type MappingStatus } from "./MappingStatus.ts"
import { type PortMapperError, PortMapperUnsupported } from "./PortMapperError.ts"

/**
 * A mapping that the gateway granted: packets to `external` arrive at `internal`.
 *
 * `SubscriptionRef.get` reads the `status`; `SubscriptionRef.changes` is a stream of its current and later values.
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
  /** The state of the mapping. */
  readonly status: SubscriptionRef.SubscriptionRef<MappingStatus>
}

/**
 * Makes a mapping whose status is `Mapped`.
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
 * The options of a mapping.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface MapOptions {
  /** The address to forward packets to. */
  readonly internal: NetAddress.InetAddress
  /** The requested external port; the gateway may grant another. Default: any. */
  readonly external?: number | undefined
  /** The requested lifetime of the mapping; the mapper renews the mapping before it ends. */
  readonly lease: Duration.Duration
}

/**
 * Maps UDP ports on the gateway. A mapping is renewed while its scope is open and removed when the scope closes.
 *
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export class PortMapper extends Context.Service<
  PortMapper,
  {
    /** Requests a mapping, which is renewed while the scope is open and removed when it closes. */
    readonly map: (options: MapOptions) => Effect.Effect<Mapping, PortMapperError, Scope.Scope>
  }
>()("@qp2p/core/PortMapper") {}

/**
 * Provides a port mapper that tries several in order and uses the first that succeeds.
 *
 * A mapper that failed removes its mappings from the gateway before the next one starts, since two protocols of one gateway
 * share its table of ports. Fails with `NoneMapped`, whose `by` are the names in `mappers`, or with the error of the only
 * mapper.
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
        (built) => ({
          map: (options) => firstSuccessOf(built.map(({ by, mapper }) => ({ by, effect: mapper.map(options) })))
        })
      )
    })
  )

const layers = check(
  "must be an object with a Layer for each name",
  (value) => isRecord(value) && Object.values(value).every(Layer.isLayer)
)

/**
 * Provides a port mapper for endpoints that need no mapping: `map` fails with `PortMapperUnsupported`.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerNone: Layer.Layer<PortMapper> = Layer.succeed(PortMapper, {
  map: () =>
    Effect.fail(new PortMapperUnsupported({ detail: "forwardPort is set, but this endpoint was given no port mapper" }))
})
