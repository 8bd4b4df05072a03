/** The options of the PCP and NAT-PMP mapper. */
import type * as Duration from "effect/Duration"
import type * as NetAddress from "effect/net/NetAddress"
import type { OpenSocket } from "./client.ts"
import type { Find } from "./finder.ts"

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
  /** How long making or renewing a mapping may take, retransmissions included: more than 0, 3 s by default. */
  readonly requestTimeout?: Duration.Input | undefined
  /**
   * How long the first packet of a request waits for its answer before it is sent again: more than 0, 250 ms by
   * default. Each further wait is twice as long, and a request is sent at most nine times (RFC 6886, section 3.1).
   */
  readonly retryInterval?: Duration.Input | undefined
}

/** The options, and those that only tests set. */
export interface InternalOptions extends Options {
  readonly find?: Find | undefined
  readonly openSocket?: OpenSocket | undefined
  readonly port?: number | undefined
}
