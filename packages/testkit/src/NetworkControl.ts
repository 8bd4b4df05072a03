/**
 * The control of a network by a test, the same for every kind of packet.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import type * as Gateway from "./Gateway.ts"
import type * as Latency from "./Latency.ts"

/**
 * A socket such as `"10.0.0.1:4433"`, or a host with all its sockets such as `"10.0.0.1"`. Nothing needs to be bound
 * there. A socket behind a gateway is known by its own address and by its external one.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Place = NetAddress.InetAddressInput | NetAddress.IpAddress

/**
 * One place, or several.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Places = Place | ReadonlyArray<Place>

/**
 * The direction that a setting applies to: from one place to another, where a missing end stands for every place.
 *
 * The setting for a socket wins over that for its host, and that over the one for every place; among equals the latest
 * wins. For a socket behind a gateway, `from` is its own address, and `to` is the address that is sent to.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Direction {
  /** The sender; every sender by default. */
  readonly from?: Place | undefined
  /** The receiver; every receiver by default. */
  readonly to?: Place | undefined
}

/**
 * The operations of both simulated networks. An operation fails with `NetAddressError` when a place is not an address.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface NetworkControl {
  /**
   * Sets the one-way latency of packets that are sent from now on; 0 by default. Packets of one connection stay in
   * order.
   */
  readonly setLatency: (
    latency: Latency.Input,
    direction?: Direction
  ) => Effect.Effect<void, NetAddress.NetAddressError>
  /**
   * Sets the bandwidth from each socket to each other one, in bytes per second, for packets that are sent from now on;
   * infinite by default. Packets beyond it are queued; with 0 nothing gets through.
   */
  readonly setBandwidth: (
    bytesPerSecond: number,
    direction?: Direction
  ) => Effect.Effect<void, NetAddress.NetAddressError>
  /** Drops packets to and from these places. */
  readonly blackhole: (places: Places) => Effect.Effect<void, NetAddress.NetAddressError>
  /** Drops packets between any of `a` and any of `b`, in both directions. */
  readonly partition: (a: Places, b: Places) => Effect.Effect<void, NetAddress.NetAddressError>
  /** Drops packets from any of `from` to any of `to`. */
  readonly partitionOneWay: (from: Places, to: Places) => Effect.Effect<void, NetAddress.NetAddressError>
  /**
   * Undoes `partition` and `partitionOneWay` for these places, in both directions. Each place must be named as it was
   * there.
   */
  readonly mend: (a: Places, b: Places) => Effect.Effect<void, NetAddress.NetAddressError>
  /** Undoes every `partition` and `blackhole`, and everything else that cuts a way. */
  readonly heal: Effect.Effect<void>
  /**
   * Gives a host in the public part of the network another address. Its sockets can be reached there and answer from
   * the address that they are bound to, as on a host with several addresses whose sockets are bound to the wildcard
   * address.
   */
  readonly addAddress: (
    host: string | NetAddress.IpAddress,
    address: string | NetAddress.IpAddress
  ) => Effect.Effect<void, NetAddress.NetAddressError>
  /** Adds a gateway. The `layerHost` of a transport puts hosts behind it. */
  readonly gateway: (options: Gateway.Options) => Effect.Effect<Gateway.Gateway, NetAddress.NetAddressError>
}
