/**
 * Gateways with a network of their own behind them: home routers, and what providers put in front of those.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import type { Nat, NatKind as Kind } from "./internal/network/nat.ts"

/**
 * What a gateway does to a socket behind it, in the terms of RFC 3489, section 5. All but `Symmetric` show a socket to
 * everybody at the same port, the socket's own if it is free.
 *
 * - `FullCone`: once the socket has sent anything, everybody can send to it.
 * - `AddressRestricted`: only hosts that it has sent to can.
 * - `PortRestricted`: only sockets that it has sent to can.
 * - `Symmetric`: likewise, and each of them sees it at another port. No peer learns a port that works for others.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type NatKind = Kind

/**
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The address that it is seen at from outside. */
  readonly address: string | NetAddress.IpAddress
  /** `PortRestricted` by default, the most common kind. */
  readonly kind?: NatKind | undefined
  /** The gateway that it is itself behind. */
  readonly behind?: Gateway | undefined
  /**
   * How long a socket's port stays open after the last packet out; 2 minutes by default, the least that RFC 4787,
   * section 4.3, allows. Many real ones take 30 seconds.
   */
  readonly mappingLifetime?: Duration.Input | undefined
  /** Whether sockets behind it reach each other at its outer address (RFC 4787, section 6). True by default. */
  readonly hairpinning?: boolean | undefined
}

/**
 * A gateway on the network. `TestPortMapper.layerHost` opens ports on it.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Gateway {
  /** Where it is seen now. */
  readonly address: NetAddress.IpAddress
  readonly kind: NatKind
  /**
   * Forgets every port that is open, as after a loss of power: until a socket behind it sends again, nothing gets in.
   * Peers see a symmetric gateway's next packets come from other ports, and any gateway's from another address if one is
   * given.
   */
  readonly restart: (address?: string | NetAddress.IpAddress) => Effect.Effect<void, NetAddress.NetAddressError>
  /** What it knows. */
  readonly nat: Nat
}

/**
 * A host on the network, in the public part of it or behind a gateway. Two hosts behind different gateways may have the
 * same address; what is said of an address then holds for both.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Host {
  readonly address: string | NetAddress.IpAddress
  readonly gateway?: Gateway | undefined
}
