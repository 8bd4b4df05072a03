/**
 * NAT gateways with a private network behind them: home routers, and the carrier-grade NATs of providers.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import type { Nat, NatKind as Kind } from "./internal/network/nat.ts"

/**
 * How a gateway translates and filters, in the terms of RFC 3489, section 5. All kinds but `Symmetric` map an internal
 * socket to one external port for all peers: the socket's own port if it is free.
 *
 * - `FullCone`: once the internal socket has sent a packet, every host can send to it.
 * - `AddressRestricted`: only hosts that it has sent to can.
 * - `PortRestricted`: only sockets that it has sent to can.
 * - `Symmetric`: as `PortRestricted`, and each peer sees another external port, so no peer learns a port that works for
 *   others.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type NatKind = Kind

/**
 * How a gateway is set up.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The external IP address. */
  readonly address: string | NetAddress.IpAddress
  /** The kind of NAT; `PortRestricted` by default, the most common kind. */
  readonly kind?: NatKind | undefined
  /** The gateway that this one is behind; by default it is in the public network. */
  readonly behind?: Gateway | undefined
  /**
   * How long a mapping lives after the last outbound packet; 2 minutes by default, the minimum of RFC 4787, section
   * 4.3. Many real gateways use 30 seconds.
   */
  readonly mappingLifetime?: Duration.Input | undefined
  /** Whether internal sockets reach each other at the external address (RFC 4787, section 6); true by default. */
  readonly hairpinning?: boolean | undefined
}

/**
 * A gateway on the network. `TestPortMapper.layerHost` maps ports on it.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Gateway {
  /** The current external address. */
  readonly address: NetAddress.IpAddress
  /** How the gateway translates and filters. */
  readonly kind: NatKind
  /**
   * Drops every mapping, as after a power failure: nothing gets in until an internal socket sends again. With an
   * `address`, the external address changes too. Peers see the next packets of a symmetric gateway come from other
   * ports, and those of any gateway from the new address. Fails when the text is not an IP address.
   */
  readonly restart: (address?: string | NetAddress.IpAddress) => Effect.Effect<void, NetAddress.NetAddressError>
  /** The gateway's translation tables. */
  readonly nat: Nat
}

/**
 * A host on the network, in its public part or behind a gateway. Two hosts behind different gateways may have the same
 * address; a rule for an address then applies to both.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Host {
  /** The host's IP address, in its own network. */
  readonly address: string | NetAddress.IpAddress
  /** The gateway that the host is behind; by default it is in the public network. */
  readonly gateway?: Gateway | undefined
}
