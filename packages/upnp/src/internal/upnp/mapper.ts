/** The `PortMapper` for UPnP. */
import type * as PortMapper from "@qp2p/core/PortMapper"
import { type PortMapperError, PortMapperUnsupported } from "@qp2p/core/PortMapperError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import { natUpnp, refusedOptions, refusedRequest } from "../checks.ts"
import { Lease, leaseOf } from "../lease.ts"
import { KeptMapping, type Settings, type Wanted } from "./keptMapping.ts"
import type { InternalOptions } from "./internalOptions.ts"
import * as search from "./search.ts"

const defaultSearchTimeout = Duration.seconds(3)
const defaultRequestTimeout = Duration.millis(1500)

/** Makes the mapper. With invalid options every call of `map` fails with the error that names the option. */
export const make = (options: InternalOptions = {}): PortMapper.PortMapper["Service"] => {
  const refused = refusedOptions(options, natUpnp)
  if (refused !== undefined) return { map: () => Effect.fail(refused) }
  const settings: Settings = {
    discover: options.discover ?? search.search(options.searchTimeout ?? defaultSearchTimeout),
    requestTimeout: options.requestTimeout ?? defaultRequestTimeout,
    description: options.description ?? "qp2p",
    onConflict: options.onConflict ?? "nextPort"
  }
  const map = Effect.fn("PortMapper.map")(function* (
    request: PortMapper.MapOptions
  ): Effect.fn.Return<PortMapper.Mapping, PortMapperError, Scope.Scope> {
    return yield* new Lease(new KeptMapping(yield* validate(request), settings)).keep()
  })
  return { map }
}

const validate = Effect.fnUntraced(function* (
  request: PortMapper.MapOptions
): Effect.fn.Return<Wanted, PortMapperUnsupported> {
  const refused = refusedRequest(request)
  if (refused !== undefined) return yield* refused
  const { internal, external: externalPort = internal.port } = request
  if (!NetAddress.isInetAddressV4(internal)) {
    return yield* new PortMapperUnsupported({ detail: "UPnP maps IPv4 addresses only" })
  }
  // To a gateway port 0 stands for all ports.
  if (![internal.port, externalPort].every((port) => Number.isInteger(port) && port >= 1 && port <= 65_535)) {
    return yield* new PortMapperUnsupported({ detail: `cannot map port ${internal.port} to ${externalPort}` })
  }
  return { internal, externalPort, lease: leaseOf(request.lease) }
})
