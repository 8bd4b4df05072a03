import type * as PortMapper from "@qp2p/core/PortMapper"
import { type PortMapperError, PortMapperUnsupported } from "@qp2p/core/PortMapperError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { Options } from "../../NatPmp.ts"
import * as client from "./client.ts"
import * as finder from "./finder.ts"
import { Gateways } from "./gateways.ts"
import * as keptMapping from "./keptMapping.ts"

export interface InternalOptions extends Options {
  readonly find?: finder.Find | undefined
  readonly openSocket?: client.OpenSocket | undefined
  readonly port?: number | undefined
}

/** RFC 6886, section 3; RFC 6887, section 19.5. */
const gatewayPort = 5351

const defaultTimeout = Duration.seconds(3)
const defaultRetryInterval = Duration.millis(250)

export const make = (options: InternalOptions = {}): PortMapper.PortMapper["Service"] => {
  const port = options.port ?? gatewayPort
  const find = options.find ?? Effect.provide(finder.find(process.platform), finder.layerNode)
  const address: Effect.Effect<NetAddress.Ipv4Address, PortMapperError> =
    options.gateway === undefined ? find : given(options.gateway)
  const openSocket = options.openSocket ?? client.openNodeSocket
  const retryInterval = options.retryInterval ?? defaultRetryInterval
  const settings: keptMapping.Settings = {
    locate: Effect.flatMap(address, (address) =>
      Effect.orDie(Effect.fromResult(NetAddress.inetAddressV4(address, port)))
    ),
    converse: (gateway, local, timeout, use) =>
      client.converse({ gateway, local, timeout, retryInterval, openSocket }, use),
    timeout: options.requestTimeout ?? defaultTimeout,
    gateways: new Gateways()
  }
  const map = Effect.fn("PortMapper.map")(function* (
    request: PortMapper.MapOptions
  ): Effect.fn.Return<PortMapper.Mapping, PortMapperError, Scope.Scope> {
    const { external, internal } = yield* keptMapping.keep(yield* validate(request), settings)
    return { internal, external }
  })
  return { map }
}

const given = (gateway: NetAddress.Ipv4AddressInput): Effect.Effect<NetAddress.Ipv4Address, PortMapperUnsupported> =>
  Effect.mapError(
    Effect.fromResult(NetAddress.ipv4FromInput(gateway)),
    () => new PortMapperUnsupported({ reason: `not the IPv4 address of a gateway: ${String(gateway)}` })
  )

const validate = Effect.fnUntraced(function* (
  request: PortMapper.MapOptions
): Effect.fn.Return<keptMapping.Wanted, PortMapperUnsupported> {
  const { internal, external: externalPort = internal.port } = request
  if (!NetAddress.isInetAddressV4(internal)) {
    return yield* new PortMapperUnsupported({ reason: "NAT-PMP and PCP map IPv4 addresses only here" })
  }
  const external = NetAddress.inetAddressV4(NetAddress.ipv4Unspecified, externalPort)
  // To a gateway port 0 is every port.
  if (Result.isFailure(external) || internal.port === 0 || externalPort === 0) {
    return yield* new PortMapperUnsupported({ reason: `cannot map port ${internal.port} to ${externalPort}` })
  }
  return {
    internal,
    external: external.success,
    lease: keptMapping.leaseOf(Math.ceil(Duration.toSeconds(request.lease)))
  }
})
