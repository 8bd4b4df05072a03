/**
 * What a test does to a network, whichever packets are on it.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import type * as Gateway from "./Gateway.ts"
import type * as Latency from "./Latency.ts"

/**
 * A socket such as `"10.0.0.1:4433"`, or a host with all of its sockets such as `"10.0.0.1"`. Whether anything is bound
 * there does not matter. A socket behind a gateway is known by its own address and by the one that it is seen at.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Place = NetAddress.InetAddressInput | NetAddress.IpAddress

/**
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Places = Place | ReadonlyArray<Place>

/**
 * From one place to another; everywhere when it is left out. The rule for a socket goes before the one for its host, and
 * that before the one for all; among equals the latest counts. Of a socket behind a gateway `from` is its own address, and
 * `to` the one that is sent to.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Direction {
  readonly from?: Place | undefined
  readonly to?: Place | undefined
}

/**
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface NetworkControl {
  /** One way, for packets sent from now on. The default is 0. Packets of one connection stay in order. */
  readonly setLatency: (
    latency: Latency.Input,
    direction?: Direction
  ) => Effect.Effect<void, NetAddress.NetAddressError>
  /**
   * Bytes a second from each socket to each other one, for packets sent from now on; infinite by default. What is too
   * much waits for its turn; with 0 nothing gets through.
   */
  readonly setBandwidth: (
    bytesPerSecond: number,
    direction?: Direction
  ) => Effect.Effect<void, NetAddress.NetAddressError>
  /** Packets to and from these vanish. */
  readonly blackhole: (places: Places) => Effect.Effect<void, NetAddress.NetAddressError>
  /** Packets between any of `a` and any of `b` vanish, both ways. */
  readonly partition: (a: Places, b: Places) => Effect.Effect<void, NetAddress.NetAddressError>
  /** Packets from any of `from` to any of `to` vanish. */
  readonly partitionOneWay: (from: Places, to: Places) => Effect.Effect<void, NetAddress.NetAddressError>
  /** Undoes `partition` and `partitionOneWay` for these, both ways. Name them as they were named there. */
  readonly mend: (a: Places, b: Places) => Effect.Effect<void, NetAddress.NetAddressError>
  /** Undoes every `partition` and `blackhole`, and whatever else was cut. */
  readonly heal: Effect.Effect<void>
  /**
   * Gives a host in the public part of the network a further address. Its sockets are reached there, too, and answer from
   * the address that they are bound to, as a host with several addresses does whose sockets are bound to the wildcard
   * address.
   */
  readonly addAddress: (
    host: string | NetAddress.IpAddress,
    address: string | NetAddress.IpAddress
  ) => Effect.Effect<void, NetAddress.NetAddressError>
  /** Adds a gateway. Hosts are put behind it by `layerHost` of the transport. */
  readonly gateway: (options: Gateway.Options) => Effect.Effect<Gateway.Gateway, NetAddress.NetAddressError>
}
