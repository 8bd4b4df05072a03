/**
 * Maps ports on the home router in the protocols it speaks (PCP, NAT-PMP, UPnP), and reports which of them work.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as PortMapper from "@qp2p/core/PortMapper"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as diagnosis from "./internal/diagnosis.ts"
import type { Diagnosis } from "./internal/report.ts"
import { homeRouter, refusedOptions } from "./internal/checks.ts"
import * as NatPmp from "./NatPmp.ts"
import * as NatUpnp from "./NatUpnp.ts"

export type { Diagnosis, ExternalAddress, ProtocolReport } from "./internal/report.ts"

export {
  /**
   * Where a gateway's address can be reached from.
   *
   * - `Public`: the whole internet.
   * - `Private`: a network behind another gateway (RFC 1918).
   * - `Shared`: the network of a provider that translates addresses itself (carrier-grade NAT, RFC 6598).
   * - `Special`: loopback, link-local, documentation, multicast and reserved addresses (RFC 6890), which no packet from
   *   another network reaches.
   *
   * @stability unstable
   * @category models
   * @since 0.1.0
   */
  type Reach,
  /**
   * Classifies an IPv4 address by where it can be reached from. Without types, an argument that is not an `Ipv4Address`
   * yields an `InvalidArgument`.
   *
   * @stability unstable
   * @category getters
   * @since 0.1.0
   */
  reachOf
} from "./internal/reach.ts"

/**
 * The options of the port mappers that `layer` combines.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Options for PCP and NAT-PMP. */
  readonly natPmp?: NatPmp.Options | undefined
  /** Options for UPnP. */
  readonly natUpnp?: NatUpnp.Options | undefined
}

/**
 * A `PortMapper` for IPv4 home routers.
 *
 * It tries PCP and NAT-PMP first, which need one packet, and UPnP second. It fails with `NoneMapped`, which holds the
 * error of each protocol. With invalid options it maps nothing and fails with `PortMapperUnsupported`, which names the
 * option.
 *
 * @stability unstable
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
 * Asks the home router for its external address in PCP, NAT-PMP and UPnP at the same time. Takes at most 4 s and never
 * fails: errors are in the reports.
 *
 * PCP has no request for the external address (RFC 6887), so `diagnose` maps a port on which nothing listens and
 * removes the mapping at once. The router is otherwise left unchanged.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const diagnose = (options?: Options): Effect.Effect<Diagnosis> => diagnosis.diagnose(options)
