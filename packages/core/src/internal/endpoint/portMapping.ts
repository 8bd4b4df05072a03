/**
 * The endpoint's port mapping on the gateway: made before bootstrapping, and followed until the endpoint stops.
 */
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { undiallable } from "../../Address.ts"
import type { EndpointConfig } from "../../EndpointConfig.ts"
import type { MappingStatus } from "../../MappingStatus.ts"
import { type Mapping, PortMapper } from "../../PortMapper.ts"
import type { PortMapperError } from "../../PortMapperError.ts"
import { withChildScope } from "../childScope.ts"

/** Requests the mapping; none without `forwardPort`. */
export const open = (
  config: EndpointConfig,
  internal: NetAddress.InetAddress
): Effect.Effect<Option.Option<Mapping>, PortMapperError, PortMapper | Scope.Scope> => {
  if (!config.forwardPort) return Effect.succeedNone
  const { externalPort, forwardPortRequired, upnpLeaseDuration } = config
  return Effect.flatMap(PortMapper, (mapper) =>
    withChildScope(() => mapper.map({ internal, external: externalPort, lease: upnpLeaseDuration }))
  ).pipe(
    Effect.tap(({ external }) => {
      const reason = undiallable(external)
      return reason === undefined
        ? Effect.void
        : Effect.logWarning(`the gateway says that it maps ${external}, which is not announced: ${reason}`)
    }),
    Effect.asSome,
    Effect.catch((error) =>
      forwardPortRequired
        ? Effect.fail(error)
        : Effect.as(Effect.logWarning(`no port is forwarded: ${error.message}`), Option.none())
    )
  )
}

/** Returns the mapping's current external address, if it can be dialled: an offline gateway may report 0.0.0.0. */
export const externalOf = (mapping: Option.Option<Mapping>): Option.Option<NetAddress.InetAddress> =>
  Option.filter(
    Option.map(mapping, ({ status }) => SubscriptionRef.getUnsafe(status).external),
    (external) => undiallable(external) === undefined
  )

/** Logs the changes of the mapping, and passes each granted address to `onExternal`. */
export const follow = (
  { internal, status }: Mapping,
  onExternal: (external: NetAddress.InetAddress) => void
): Effect.Effect<void> => {
  let lost = false
  const notice = (now: MappingStatus) => {
    onExternal(now.external)
    switch (now._tag) {
      case "Lost":
        lost = true
        return Effect.logWarning(`the gateway no longer maps ${now.external} to ${internal}: ${now.error.message}`)
      case "Remapped":
        lost = false
        return Effect.logWarning(`the gateway maps ${now.external} to ${internal} now, and no longer ${now.before}`)
      case "Mapped":
        if (!lost) return Effect.void
        lost = false
        return Effect.logInfo(`the gateway maps ${now.external} to ${internal} again`)
      default:
        return Effect.void
    }
  }
  return Stream.runForEach(SubscriptionRef.changes(status), notice)
}
