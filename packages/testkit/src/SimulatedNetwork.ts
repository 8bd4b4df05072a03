/**
 * A lossy network under the real QUIC driver.
 *
 * Its sockets are `DatagramSocket`s in memory: no port of the machine is used. Datagrams are lost, duplicated,
 * reordered and corrupted as the test asks and the seed decides. QUIC itself runs as in production.
 *
 * Tests with it are live (`it.live`): the QUIC implementation reads the system's clock for loss recovery and idle
 * timeouts, which `TestClock` does not move. For the same reason the seed decides the fate of the first, the second and
 * the hundredth datagram, but not which datagram comes first: two runs are similar and not identical.
 *
 * @stability unstable
 * @since 0.1.0
 */
import {
  between,
  duration,
  type Fields,
  inetAddress,
  ofOptions,
  ofRecord,
  ofValue,
  optional,
  unless,
  untyped
} from "@qp2p/core/InvalidArgument"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import { Transport } from "@qp2p/core/Transport"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as NetAddress from "effect/net/NetAddress"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import type { Host } from "./Gateway.ts"
import { anything, atLeast, seed } from "./internal/checks.ts"
import * as control from "./internal/network/control.ts"
import { anyHost, hostOf, interfacesOf } from "./internal/network/host.ts"
import * as Timeline from "./internal/network/timeline.ts"
import { SimulatedWire } from "./internal/simulated/port.ts"
import * as socket from "./internal/simulated/socket.ts"
import type * as Latency from "./Latency.ts"
import type { Direction, NetworkControl, Places } from "./NetworkControl.ts"

/**
 * The faults that datagrams meet. Each probability is from 0 to 1, and 0 by default.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Faults {
  /** The probability that a datagram is lost. */
  readonly loss?: number | undefined
  /** The probability that a datagram arrives twice. */
  readonly duplication?: number | undefined
  /** The probability that a datagram is delayed by up to `reorderingDelay`, so that later ones overtake it. */
  readonly reordering?: number | undefined
  /** The longest extra delay of a reordered datagram; 10 milliseconds by default. */
  readonly reorderingDelay?: Duration.Input | undefined
  /** The probability that one bit of a datagram is flipped. */
  readonly corruption?: number | undefined
  /**
   * The maximum payload in bytes, 65,507 by default; larger datagrams are lost. QUIC needs 1,200 (RFC 9000, section
   * 14).
   */
  readonly mtu?: number | undefined
}

/**
 * How a simulated network is set up.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options extends Faults {
  /** The seed of everything that is drawn at random. 0 by default. */
  readonly seed?: string | number | undefined
  /** The one-way latency; 0 by default. */
  readonly latency?: Latency.Input | undefined
  /** The bandwidth from each socket to each other one, in bytes per second; infinite by default. */
  readonly bandwidth?: number | undefined
}

/**
 * The number of datagrams, by what happened to them.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Counts {
  /** Datagrams that sockets sent. */
  readonly sent: number
  /** Datagrams that arrived at a socket, duplicates included. */
  readonly delivered: number
  /**
   * Datagrams that were dropped: by `loss`, a partition, a gateway, `mtu` or a full queue, or because no socket was
   * bound at the destination.
   */
  readonly lost: number
  /** Datagrams that were duplicated on the way. */
  readonly duplicated: number
  /** Datagrams that were delayed for reordering. */
  readonly reordered: number
  /** Datagrams in which a bit was flipped. */
  readonly corrupted: number
}

/**
 * The network that the sockets of `layerTransport` share, and what a test does to it.
 *
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export class SimulatedNetwork extends Context.Service<
  SimulatedNetwork,
  NetworkControl & {
    /** Changes the faults of datagrams that are sent from now on. A missing fault keeps its setting. */
    readonly setFaults: (faults: Faults, direction?: Direction) => Effect.Effect<void, NetAddress.NetAddressError>
    /**
     * Gives the sockets there another external port, as a NAT does that has lost its mappings: all peers see the new
     * port, and packets to the former one are dropped.
     */
    readonly rebind: (places: Places) => Effect.Effect<void, NetAddress.NetAddressError>
    /** The number of datagrams so far, by what happened to them. */
    readonly counts: Effect.Effect<Counts>
    /** Opens sockets for `QuicheTransport.layer`, on a host that has every address. */
    readonly openSocket: (address: NetAddress.InetAddress) => Effect.Effect<DatagramSocket.DatagramSocket>
    /** The wire that the sockets send their datagrams on. */
    readonly wire: SimulatedWire
  }
>()("@qp2p/testkit/SimulatedNetwork") {}

/**
 * A network without sockets. It stops when the scope closes.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<SimulatedNetwork["Service"], never, Scope.Scope> {
  const wrong = ofOptions(options, { ...faultFields, seed, latency: anything, bandwidth: anything })
  if (wrong !== undefined) return yield* untyped(wrong)
  const draws = (purpose: string) =>
    Effect.map(
      Random.withSeed(Effect.service(Random.Random), `${purpose} ${options.seed ?? 0}`),
      (random) => () => random.nextDoubleUnsafe()
    )
  const wire = new SimulatedWire(yield* Timeline.make, yield* draws("latencies"), yield* draws("faults"))
  const steering = control.make(wire, () => {})
  // Without a direction no address can be wrong.
  // @effect-diagnostics-next-line unsafeEffectTypeAssertion:off
  const everywhere = (set: Effect.Effect<void, NetAddress.NetAddressError>) => set as Effect.Effect<void>
  if (options.latency !== undefined) yield* everywhere(steering.setLatency(options.latency))
  if (options.bandwidth !== undefined) yield* everywhere(steering.setBandwidth(options.bandwidth))
  wire.faults.change(changeOf(options))
  const host = anyHost(wire)
  return SimulatedNetwork.of({
    ...steering,
    setFaults: (faults, direction) =>
      unless(
        () => ofRecord("faults", faults, faultFields),
        () => control.along(direction, (from, to) => wire.faults.change(changeOf(faults), from, to))
      ),
    rebind: (places) => Effect.map(control.namesOf(places), (names) => wire.rebind(names)),
    counts: Effect.sync(() => ({ ...wire.counts })),
    openSocket: (address) =>
      unless(
        () => ofValue("address", address, inetAddress),
        () => socket.make(wire, host, address)
      ),
    wire
  })
})

const probability = optional(between(0, 1))

const faultFields: Fields = {
  loss: probability,
  duplication: probability,
  reordering: probability,
  reorderingDelay: optional(duration),
  corruption: probability,
  mtu: optional(atLeast(0))
}

/** Drops the faults that are not set. */
const changeOf = ({ corruption, duplication, loss, mtu, reordering, reorderingDelay }: Faults) => ({
  ...(loss === undefined ? {} : { loss }),
  ...(duplication === undefined ? {} : { duplication }),
  ...(reordering === undefined ? {} : { reordering }),
  ...(corruption === undefined ? {} : { corruption }),
  ...(mtu === undefined ? {} : { mtu }),
  ...(reorderingDelay === undefined
    ? {}
    : { reorderingDelay: Duration.toMillis(Duration.fromInputUnsafe(reorderingDelay)) })
})

/**
 * The layer of `make`.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<SimulatedNetwork> => Layer.effect(SimulatedNetwork, make(options))

/**
 * The QUIC driver on the network that the program provides, on a host that has every address.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerTransport: Layer.Layer<Transport, never, SimulatedNetwork> = Layer.effect(
  Transport,
  Effect.map(SimulatedNetwork, ({ openSocket, wire }) =>
    QuicheTransport.make({ openSocket, interfaces: interfacesOf(anyHost(wire)) })
  )
)

/**
 * The QUIC driver on one host of the network, at its address or at the wildcard address, which are the same there. The
 * host may be behind a gateway.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerHost = (host: Host): Layer.Layer<Transport, NetAddress.NetAddressError, SimulatedNetwork> =>
  Layer.effect(
    Transport,
    Effect.gen(function* () {
      const { wire } = yield* SimulatedNetwork
      const found = yield* hostOf(wire, host)
      return QuicheTransport.make({
        openSocket: (address) => socket.make(wire, found, address),
        interfaces: interfacesOf(found)
      })
    })
  )
