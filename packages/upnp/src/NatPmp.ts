/**
 * Maps ports on the home router through PCP (RFC 6887) and NAT-PMP (RFC 6886).
 *
 * @stability unstable
 * @since 0.1.0
 */
import { PortMapper } from "@qp2p/core/PortMapper"
import type * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import type * as NetAddress from "effect/net/NetAddress"
import * as mapper from "./internal/natpmp/mapper.ts"

/**
 * Which gateway to ask, and how long to wait for its answers.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The gateway's IPv4 address. The default is the gateway of the default route. */
  readonly gateway?: NetAddress.Ipv4AddressInput | undefined
  /**
   * How long making, renewing or removing a mapping may take, retransmissions included: more than 0, 3 s by default.
   */
  readonly requestTimeout?: Duration.Input | undefined
  /**
   * How long the first packet of a request waits for its answer before it is sent again: more than 0, 250 ms by
   * default. Each further wait is twice as long, and a request is sent at most nine times (RFC 6886, section 3.1).
   */
  readonly retryInterval?: Duration.Input | undefined
}

/**
 * A `PortMapper` for IPv4 gateways that speak PCP (RFC 6887) or NAT-PMP (RFC 6886).
 *
 * It sends PCP first and changes to NAT-PMP when the gateway refuses the version. A lease is a whole number of seconds
 * from 1 s to a week. It is renewed when half of the granted time has passed, requested again when an answer shows that
 * the gateway lost its mappings, and removed when the scope closes. The gateway may grant another external port than
 * the requested one. An unspecified internal address (`0.0.0.0`) stands for the local address of the route to the
 * gateway. IPv6 addresses fail with `PortMapperUnsupported`.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<PortMapper> => Layer.sync(PortMapper, () => mapper.make(options))
