/**
 * Maps ports on the home router through PCP (RFC 6887) and NAT-PMP (RFC 6886).
 *
 * @stability unstable
 * @since 0.1.0
 */
import { PortMapper } from "@qp2p/core/PortMapper"
import * as Layer from "effect/Layer"
import * as mapper from "./internal/natpmp/mapper.ts"
import type { Options } from "./internal/natpmp/options.ts"

export type { Options } from "./internal/natpmp/options.ts"

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
