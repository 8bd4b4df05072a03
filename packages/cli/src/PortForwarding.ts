/**
 * Port forwarding for commands that wait for peers: the flags, the mapper they select, and the lines about the port.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as EndpointConfig from "@qp2p/core/EndpointConfig"
import type { Mapping } from "@qp2p/core/PortMapper"
import * as PortMapper from "@qp2p/core/PortMapper"
import { PortMapperError } from "@qp2p/core/PortMapperError"
import * as HomeRouter from "@qp2p/upnp/HomeRouter"
import * as NatPmp from "@qp2p/upnp/NatPmp"
import * as NatUpnp from "@qp2p/upnp/NatUpnp"
import * as CliError from "effect/cli/CliError"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { CommandFailed, exitCodes, fromError, oneLine } from "./Failure.ts"
import * as Flags from "./Flags.ts"

/**
 * The flags for port forwarding.
 *
 * @stability unstable
 * @category flags
 * @since 0.1.0
 */
export const flags = {
  forwardPort: Flags.forwardPort,
  forwardPortOptional: Flags.forwardPortOptional,
  lease: Flags.lease,
  portMapper: Flags.portMapper
} as const

/**
 * The values of the flags.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Input {
  /** Whether a port must be mapped. */
  readonly forwardPort: boolean
  /** Whether a port should be mapped, without failing when it is not. */
  readonly forwardPortOptional: boolean
  /** The requested lease. */
  readonly lease: Option.Option<Duration.Duration>
  /** The protocol. */
  readonly portMapper: Option.Option<Flags.PortMapperName>
}

const isWanted = (input: Input): boolean => input.forwardPort || input.forwardPortOptional

/**
 * Fails for flags that have no effect without `--forward-port` or `--forward-port-optional`.
 *
 * @stability unstable
 * @category validation
 * @since 0.1.0
 */
export const validate = (input: Input): Effect.Effect<void, CliError.ValidationError> => {
  const idle = Option.isSome(input.lease) ? "--lease" : Option.isSome(input.portMapper) ? "--port-mapper" : undefined
  return idle === undefined || isWanted(input)
    ? Effect.void
    : Effect.fail(new CliError.ValidationError({ message: `${idle} needs --forward-port or --forward-port-optional` }))
}

/**
 * The settings of an endpoint that the flags determine.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const config = (
  input: Input
): Pick<EndpointConfig.Input, "forwardPort" | "forwardPortRequired" | "upnpLeaseDuration"> => ({
  forwardPort: isWanted(input),
  forwardPortRequired: !input.forwardPortOptional,
  ...(Option.isSome(input.lease) ? { upnpLeaseDuration: input.lease.value } : {})
})

/**
 * The mapper for a protocol.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerNamed = (name: Flags.PortMapperName): Layer.Layer<PortMapper.PortMapper> => {
  switch (name) {
    case "any":
      return HomeRouter.layer()
    case "upnp":
      return NatUpnp.layer()
    case "nat-pmp":
      return NatPmp.layer()
  }
}

/**
 * The router's error on one line. When several protocols failed, the error of each, unless they are equal.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const reasonOf = (error: PortMapperError): string => {
  if (error._tag !== "NoneMapped" || error.attempts.length === 0) return oneLine(error.message)
  const all = error.attempts.map((attempt) => attempt.error.message)
  return oneLine(
    all.every((message) => message === all[0])
      ? all[0]!
      : error.attempts.map((attempt) => `${attempt.by}: ${attempt.error.message}`).join("; ")
  )
}

/**
 * Prints on standard error when no port is mapped, for endpoints that start without one.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerTelling = <E, R>(
  mapper: Layer.Layer<PortMapper.PortMapper, E, R>
): Layer.Layer<PortMapper.PortMapper, E, R> =>
  Layer.effect(
    PortMapper.PortMapper,
    Effect.map(Layer.build(mapper), (context) => {
      const { map } = Context.get(context, PortMapper.PortMapper)
      return PortMapper.PortMapper.of({
        map: (options) =>
          Effect.tapError(map(options), (error) => Console.error(`no port is forwarded: ${reasonOf(error)}`))
      })
    })
  )

/**
 * The mapper that the flags select.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = (input: Input): Layer.Layer<PortMapper.PortMapper> => {
  if (!isWanted(input)) return PortMapper.layerNone
  const named = layerNamed(Option.getOrElse(input.portMapper, () => "any" as const))
  return input.forwardPortOptional ? layerTelling(named) : named
}

const isPortMapperError = Schema.is(PortMapperError)

/**
 * Like `Failure.fromError`; for an error of the router it adds what can be done about it.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const explain = (error: { readonly _tag: string; readonly message: string }): CommandFailed =>
  isPortMapperError(error)
    ? new CommandFailed({
        detail: `no port is forwarded: ${reasonOf(error)} (see qp2p doctor, or start with --forward-port-optional)`,
        exitCode: exitCodes.failed
      })
    : fromError(error)

const arrow = (external: unknown, internal: unknown) => `${external} -> ${internal}`

/**
 * Prints the mapped port, and then each time that it is lost, restored or changed. Successful renewals are not printed,
 * nor are failed ones while the lease still runs.
 *
 * @stability unstable
 * @category running
 * @since 0.1.0
 */
export const tell = Effect.fnUntraced(function* (
  mapping: Option.Option<Mapping>,
  say: (line: string) => Effect.Effect<void>
) {
  if (Option.isNone(mapping)) return
  const { internal, status } = mapping.value
  let lost = false
  yield* say(`mapped ${arrow(SubscriptionRef.getUnsafe(status).external, internal)}`)
  yield* SubscriptionRef.changes(status).pipe(
    Stream.runForEach((now) => {
      const before = lost
      switch (now._tag) {
        case "Lost":
          lost = true
          return before
            ? Effect.void
            : say(`mapping ${now.external} is lost: ${reasonOf(now.error)}; asking for it again`)
        case "Remapped":
          lost = false
          return say(`mapped ${arrow(now.external, internal)}, no longer ${now.before}`)
        case "Mapped":
          lost = false
          return before ? say(`mapped ${arrow(now.external, internal)} again`) : Effect.void
        case "Failed":
          return Effect.logDebug(`the mapping was not renewed: ${reasonOf(now.error)}`)
        case "Renewing":
          return Effect.void
      }
    }),
    Effect.forkScoped
  )
})
