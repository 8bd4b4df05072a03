/**
 * A bad network under the real QUIC driver.
 *
 * Its sockets are `DatagramSocket`s in memory: no port of the machine is used, and datagrams are lost, doubled, overtaken
 * and damaged as the test says and the seed decides. QUIC itself runs as it does in production.
 *
 * Tests with it are live (`it.live`): the QUIC implementation reads the system's clock for loss recovery and idle
 * timeouts, and `TestClock` does not move that. For the same reason the seed decides what happens to the first, the
 * second and the hundredth datagram, and not which datagram comes first: two runs are alike and not the same.
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
import { anything, atLeast, seed } from "./internal/given.ts"
import * as control from "./internal/network/control.ts"
import { anyHost, hostOf, interfacesOf } from "./internal/network/host.ts"
import * as Timeline from "./internal/network/timeline.ts"
import { SimulatedWire } from "./internal/simulated/port.ts"
import * as socket from "./internal/simulated/socket.ts"
import type * as Latency from "./Latency.ts"
import type { Direction, NetworkControl, Places } from "./NetworkControl.ts"

/**
 * What becomes of datagrams. Each probability is from 0 to 1, and 0 by default.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Faults {
  /** It vanishes. */
  readonly loss?: number | undefined
  /** It comes twice. */
  readonly duplication?: number | undefined
  /** It takes longer, by up to `reorderingDelay`, so that later ones overtake it. */
  readonly reordering?: number | undefined
  /** 10 milliseconds by default. */
  readonly reorderingDelay?: Duration.Input | undefined
  /** One of its bits is flipped. */
  readonly corruption?: number | undefined
  /** Payloads with more bytes than this vanish: 65,507 by default. QUIC needs 1,200. */
  readonly mtu?: number | undefined
}

/**
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options extends Faults {
  /** Decides everything that is drawn. 0 by default. */
  readonly seed?: string | number | undefined
  readonly latency?: Latency.Input | undefined
  /** Bytes a second from each socket to each other one. */
  readonly bandwidth?: number | undefined
}

/**
 * How many datagrams there were, and what became of them.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Counts {
  readonly sent: number
  readonly delivered: number
  /**
   * By `loss`, or because of a partition, a gateway, `mtu`, or a queue in front of a narrow way that was full; or they
   * came to where nobody is.
   */
  readonly lost: number
  readonly duplicated: number
  readonly reordered: number
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
    /** For datagrams sent from now on. What is left out stays as it is. */
    readonly setFaults: (faults: Faults, direction?: Direction) => Effect.Effect<void, NetAddress.NetAddressError>
    /**
     * Sockets there are seen at another port by everybody from now on, as behind a NAT that has forgotten them, and
     * nothing that is sent to the port of before arrives.
     */
    readonly rebind: (places: Places) => Effect.Effect<void, NetAddress.NetAddressError>
    readonly counts: Effect.Effect<Counts>
    /** Makes sockets for `QuicheTransport.layer`, on a machine that has every address. */
    readonly openSocket: (address: NetAddress.InetAddress) => Effect.Effect<DatagramSocket.DatagramSocket>
    /** What the sockets send their datagrams on. */
    readonly wire: SimulatedWire
  }
>()("@qp2p/testkit/SimulatedNetwork") {}

/**
 * A network with nothing on it. It stops when the scope closes.
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
  // Everywhere is no place that could be wrong.
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

/** Without what is not said. */
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
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<SimulatedNetwork> => Layer.effect(SimulatedNetwork, make(options))

/**
 * The QUIC driver on the network that the program has, on a machine that has every address.
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
 * The QUIC driver on one host of the network, at its address or at the wildcard address, which means the same. It may be
 * behind a gateway.
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
