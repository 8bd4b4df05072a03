/** The `PortMapper` for PCP and NAT-PMP. */
import type * as PortMapper from "@qp2p/core/PortMapper"
import { type PortMapperError, PortMapperUnsupported } from "@qp2p/core/PortMapperError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { natPmp, refusedOptions, refusedRequest } from "../checks.ts"
import { leaseOf } from "../lease.ts"
import * as access from "./access.ts"
import { Gateways } from "./gateways.ts"
import * as keptMapping from "./keptMapping.ts"
import type { InternalOptions } from "./options.ts"

const defaultTimeout = Duration.seconds(3)

/** Makes the mapper. With invalid options every call of `map` fails with the error that names the option. */
export const make = (options: InternalOptions = {}): PortMapper.PortMapper["Service"] => {
  const refused = refusedOptions(options, natPmp)
  if (refused !== undefined) return { map: () => Effect.fail(refused) }
  const settings: keptMapping.Settings = {
    locate: access.locate(options),
    converse: access.converse(options),
    timeout: options.requestTimeout ?? defaultTimeout,
    gateways: new Gateways()
  }
  const map = Effect.fn("PortMapper.map")(function* (
    request: PortMapper.MapOptions
  ): Effect.fn.Return<PortMapper.Mapping, PortMapperError, Scope.Scope> {
    return yield* keptMapping.keep(yield* validate(request), settings)
  })
  return { map }
}

const validate = Effect.fnUntraced(function* (
  request: PortMapper.MapOptions
): Effect.fn.Return<keptMapping.Wanted, PortMapperUnsupported> {
  const refused = refusedRequest(request)
  if (refused !== undefined) return yield* refused
  const { internal, external: externalPort = internal.port } = request
  if (!NetAddress.isInetAddressV4(internal)) {
    return yield* new PortMapperUnsupported({ detail: "NAT-PMP and PCP map IPv4 addresses only here" })
  }
  const external = NetAddress.inetAddressV4(NetAddress.ipv4Unspecified, externalPort)
  // In both protocols port 0 stands for all ports.
  if (Result.isFailure(external) || internal.port === 0 || externalPort === 0) {
    return yield* new PortMapperUnsupported({ detail: `cannot map port ${internal.port} to ${externalPort}` })
  }
  return { internal, external: external.success, lease: leaseOf(request.lease) }
})
