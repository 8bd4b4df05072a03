/**
 * Maps ports on the home router through PCP and NAT-PMP.
 *
 * @since 0.1.0
 */
import { PortMapper } from "@qp2p/core/PortMapper"
import type * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import type * as NetAddress from "effect/net/NetAddress"
import * as mapper from "./internal/natpmp/mapper.ts"

/**
 * Which gateway to ask and how long to wait for it. `gateway` is its IPv4 address (that of the default route by
 * default), `requestTimeout` how long it may take to make, renew or refuse a mapping, all packets together (3 s by
 * default), `retryInterval` how long the first packet of a request waits for its answer before it is sent again (250 ms
 * by default); each one after it waits twice as long, and nine are sent at most.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly gateway?: NetAddress.Ipv4AddressInput | undefined
  readonly requestTimeout?: Duration.Input | undefined
  readonly retryInterval?: Duration.Input | undefined
}

/**
 * A `PortMapper` for IPv4 gateways that speak PCP (RFC 6887) or NAT-PMP (RFC 6886): PCP is asked for first, and NAT-PMP
 * when the gateway answers in it that it knows no other. A lease is asked for in whole seconds, from 1 second to a week,
 * renewed when half of what was granted has passed, made again as soon as an answer of the gateway shows that it has
 * lost its mappings, and removed when the scope closes. The gateway may grant another external port than the one wished
 * for. An unspecified internal address (`0.0.0.0`) is the address from which the gateway is reached. IPv6 fails with
 * `PortMapperUnsupported`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<PortMapper> => Layer.sync(PortMapper, () => mapper.make(options))
