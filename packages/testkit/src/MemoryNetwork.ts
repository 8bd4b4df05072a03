/**
 * A network without sockets, for tests.
 *
 * Everything on it happens on Effect's clock: `TestClock.adjust` drives latency and timeouts, and what takes no time
 * happens as soon as the scheduler turns. The same program with the same seed sees the same order of events each time.
 *
 * Without a latency, packets take no time but do take turns of the scheduler: a `TestClock.adjust` right after a fork
 * moves the clock before the answer has arrived, and timeouts may fire. With any latency above 0, everything happens at
 * its time.
 *
 * @stability unstable
 * @since 0.1.0
 */
import { type Close, StatelessReset, TransportClosed } from "@qp2p/core/Close"
import {
  between,
  duration,
  type Fields,
  ofOptions,
  ofRecord,
  optional,
  unless,
  untyped
} from "@qp2p/core/InvalidArgument"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as NetAddress from "effect/net/NetAddress"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { atLeast, seed } from "./internal/checks.ts"
import { MemoryWire } from "./internal/memory/wire.ts"
import * as control from "./internal/network/control.ts"
import { isAt } from "./internal/network/place.ts"
import * as Timeline from "./internal/network/timeline.ts"
import type { Direction, NetworkControl, Place, Places } from "./NetworkControl.ts"

/**
 * What happens to the datagrams of connections (`Connection.sendDatagram`) on their way. Each probability is from 0 to 1, and 0 by
 * default. Streams are not concerned.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface DatagramFaults {
  /** The probability that a datagram is lost. */
  readonly loss?: number | undefined
  /** The probability that a datagram is delayed by up to `reorderingDelay`, so that later ones overtake it. */
  readonly reordering?: number | undefined
  /** The longest extra delay of a reordered datagram; 10 milliseconds by default. */
  readonly reorderingDelay?: Duration.Input | undefined
  /**
   * The payload of the largest packet on the path, in bytes; 1,200 by default. `Connection.maxDatagramSize` is 45 less, as over
   * QUIC. With 44 or less, the peer takes no datagrams.
   */
  readonly mtu?: number | undefined
}

/**
 * The network that the sockets of `MemoryTransport` share, and what a test does to it.
 *
 * `heal` also undoes `refuse`. Packets that a partition or a gateway drops are sent again after 1, 2, 4 and so on
 * seconds, and at once on `heal` and `mend`: a connection that has not timed out by then continues.
 *
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export class MemoryNetwork extends Context.Service<
  MemoryNetwork,
  NetworkControl & {
    /**
     * Makes dials to these places fail after one round trip, with `TransportError` code 2 (CONNECTION_REFUSED, RFC
     * 9000, section 20.1).
     */
    readonly refuse: (places: Places) => Effect.Effect<void, NetAddress.NetAddressError>
    /**
     * Breaks every connection between the two places at `local`, whose owner sees `TransportClosed` with code 1
     * (INTERNAL_ERROR). `peer` is not told, and finds out by its idle timeout.
     */
    readonly kill: (local: Place, peer: Place) => Effect.Effect<void, NetAddress.NetAddressError>
    /**
     * Breaks every connection between the two places, as when `local` crashes and is back on its port with its key: its
     * owner sees `TransportClosed` with code 1, and `peer` sees `StatelessReset`, as if it had just sent a packet.
     */
    readonly reset: (local: Place, peer: Place) => Effect.Effect<void, NetAddress.NetAddressError>
    /** Changes what happens to datagrams that are sent from now on. What is missing keeps its setting. */
    readonly setDatagrams: (
      faults: DatagramFaults,
      direction?: Direction
    ) => Effect.Effect<void, NetAddress.NetAddressError>
    /** The wire that `MemoryTransport` sends its packets on. */
    readonly wire: MemoryWire
  }
>()("@qp2p/testkit/MemoryNetwork") {}

/**
 * How a memory network is set up.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The seed of everything that is drawn at random: latencies with a distribution. 0 by default. */
  readonly seed?: string | number | undefined
}

/**
 * A network without sockets. It stops when the scope closes.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options?: Options
): Effect.fn.Return<MemoryNetwork["Service"], never, Scope.Scope> {
  const wrong = ofOptions(options, { seed })
  if (wrong !== undefined) return yield* untyped(wrong)
  /** Ends the connections at one place with a peer at another. */
  const endAll = (local: Place, peer: Place, close: () => Close) =>
    Effect.map(Effect.all([control.namesOf(local), control.namesOf(peer)]), ([[from], [to]]) => {
      // The owner of a lost connection may dial again at once, and that dial must not be lost too.
      const links = Array.from(wire.links)
      for (const link of links) if (isAt(link.from.place, from!) && isAt(link.to, to!)) link.end(close())
    })
  const killed = () => new TransportClosed({ code: 1, detail: "killed" })
  const random = yield* Random.withSeed(Effect.service(Random.Random), options?.seed ?? 0)
  const wire = new MemoryWire(yield* Timeline.make, () => random.nextDoubleUnsafe())
  return MemoryNetwork.of({
    ...control.make(wire, () => wire.resend()),
    refuse: (places) =>
      Effect.map(control.namesOf(places), (names) => {
        for (const name of names) wire.conditions.refused.add(name)
      }),
    kill: (local, peer) => endAll(local, peer, killed),
    reset: (local, peer) =>
      Effect.andThen(
        endAll(local, peer, killed),
        endAll(peer, local, () => new StatelessReset())
      ),
    setDatagrams: (faults, direction) =>
      unless(
        () => ofRecord("faults", faults, faultFields),
        () => control.along(direction, (from, to) => wire.datagrams.change(changeOf(faults), from, to))
      ),
    wire
  })
})

const probability = optional(between(0, 1))

const faultFields: Fields = {
  loss: probability,
  reordering: probability,
  reorderingDelay: optional(duration),
  mtu: optional(atLeast(0))
}

const changeOf = ({ reorderingDelay, ...others }: DatagramFaults) => ({
  ...others,
  reorderingDelay:
    reorderingDelay === undefined ? undefined : Duration.toMillis(Duration.fromInputUnsafe(reorderingDelay))
})

/**
 * A network of its own. Endpoints that are to reach each other must share one, and so one value of this layer: each call
 * makes another network.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<MemoryNetwork> => Layer.effect(MemoryNetwork, make(options))
