/** What asking the home router in every protocol results in. */
import type { PortMapperError } from "@qp2p/core/PortMapperError"
import type * as NetAddress from "effect/net/NetAddress"
import type * as Option from "effect/Option"
import type * as Result from "effect/Result"
import type { Reach } from "./reach.ts"

/**
 * The result of asking the router in one protocol.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ProtocolReport {
  /** The protocol that was tried. */
  readonly protocol: "PCP" | "NAT-PMP" | "UPnP"
  /** The host and port of the gateway that answered; none when no gateway answered. */
  readonly by: Option.Option<string>
  /** The type of the service that maps ports. Only UPnP has one. */
  readonly version: Option.Option<string>
  /** The external address, or the reason why the protocol does not work. */
  readonly outcome: Result.Result<ExternalAddress, PortMapperError>
}

/**
 * The gateway's external address, and where it can be reached from.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ExternalAddress {
  /** The address of the gateway's external interface, as the gateway reports it. */
  readonly external: NetAddress.Ipv4Address
  /** Where `external` can be reached from. */
  readonly reach: Reach
}

/**
 * The result of `diagnose`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Diagnosis {
  /** The gateway of the default route, or the one that the options name; none when there is no default route. */
  readonly gateway: Option.Option<NetAddress.Ipv4Address>
  /** One report for each protocol: PCP, NAT-PMP, UPnP. */
  readonly protocols: ReadonlyArray<ProtocolReport>
}
