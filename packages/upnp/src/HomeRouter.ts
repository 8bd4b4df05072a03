/**
 * Maps ports on the home router in whatever protocol it speaks, and says what it speaks.
 *
 * @since 0.1.0
 */
import * as PortMapper from "@qp2p/core/PortMapper"
import type { PortMapperError } from "@qp2p/core/PortMapperError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as NetAddress from "effect/net/NetAddress"
import type * as Option from "effect/Option"
import type * as Result from "effect/Result"
import * as diagnosis from "./internal/diagnosis.ts"
import { homeRouter, refusedOptions } from "./internal/given.ts"
import type { Reach } from "./internal/reach.ts"
import * as NatPmp from "./NatPmp.ts"
import * as NatUpnp from "./NatUpnp.ts"

export {
  /**
   * Where an address of a gateway can be reached from: `Public`, the whole internet; `Private`, a network behind another
   * gateway (RFC 1918); `Shared`, the network of a provider that translates addresses itself (carrier-grade NAT, RFC
   * 6598); `Special`, nowhere or not from afar: loopback, link-local, documentation, multicast, reserved (RFC 6890).
   *
   * @category models
   * @since 0.1.0
   */
  type Reach,
  /**
   * Where packets to this address can come from.
   *
   * @category getters
   * @since 0.1.0
   */
  reachOf
} from "./internal/reach.ts"

/**
 * What to tell the mappers of the two families of protocols.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly natPmp?: NatPmp.Options | undefined
  readonly natUpnp?: NatUpnp.Options | undefined
}

/**
 * A `PortMapper` for IPv4 home routers: asks in PCP and NAT-PMP first, which take one packet, and then in UPnP. Fails with
 * `NoneMapped`, which says what each of them came to. Options that are not acceptable map nothing: `PortMapperUnsupported`
 * names them.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<PortMapper.PortMapper> => {
  const refused = refusedOptions(options, homeRouter)
  if (refused !== undefined) return Layer.succeed(PortMapper.PortMapper, { map: () => Effect.fail(refused) })
  return PortMapper.layerFirstOf({
    "PCP and NAT-PMP": NatPmp.layer(options?.natPmp),
    UPnP: NatUpnp.layer(options?.natUpnp)
  })
}

/**
 * What came of asking in one protocol. `by` is the gateway that answered (host and port), none when nobody did; `version` is
 * the type of the service that maps ports, which UPnP alone has.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProtocolReport {
  readonly protocol: "PCP" | "NAT-PMP" | "UPnP"
  readonly by: Option.Option<string>
  readonly version: Option.Option<string>
  readonly outcome: Result.Result<ExternalAddress, PortMapperError>
}

/**
 * The gateway's address outside, and where it can be reached from.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExternalAddress {
  readonly external: NetAddress.Ipv4Address
  readonly reach: Reach
}

/**
 * What was found out about the home router. `gateway` is that of the default route, or the one that the options name.
 *
 * @category models
 * @since 0.1.0
 */
export interface Diagnosis {
  readonly gateway: Option.Option<NetAddress.Ipv4Address>
  readonly protocols: ReadonlyArray<ProtocolReport>
}

/**
 * Asks the home router for its external address in PCP, NAT-PMP and UPnP, in all of them at once, within 4 s. PCP has no
 * question for that: it is asked to map a port that nobody listens on, which is removed at once. Nothing else changes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const diagnose = (options?: Options): Effect.Effect<Diagnosis> => diagnosis.diagnose(options)
