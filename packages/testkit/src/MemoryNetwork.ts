/**
 * A network without sockets, for tests.
 *
 * Everything in it happens on Effect's clock: `TestClock.adjust` drives latency and timeouts, and what takes no time
 * happens as soon as the scheduler turns. The same program gets the same order of events each time.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import * as Timeline from "./internal/timeline.ts"
import { keyOf, pairOf, Wire } from "./internal/wire.ts"

/**
 * The network that the sockets of `MemoryTransport` share, and what a test does to it. Addresses may be strings such as
 * `"10.0.0.1:4433"`; whether anything is bound there does not matter.
 *
 * @category services
 * @since 0.1.0
 */
export class MemoryNetwork extends Context.Service<
  MemoryNetwork,
  {
    /** One way, for packets sent from now on. The default is 0. */
    readonly setLatency: (latency: Duration.Input) => Effect.Effect<void>
    /** Dials to `address` fail after one round trip, with `TransportError` code 2 (CONNECTION_REFUSED). */
    readonly refuse: (address: NetAddress.InetAddressInput) => Effect.Effect<void, NetAddress.NetAddressError>
    /** Packets to and from `address` vanish: dials and connections time out. */
    readonly blackhole: (address: NetAddress.InetAddressInput) => Effect.Effect<void, NetAddress.NetAddressError>
    /** Packets between `a` and `b` vanish, both ways. */
    readonly partition: (
      a: NetAddress.InetAddressInput,
      b: NetAddress.InetAddressInput
    ) => Effect.Effect<void, NetAddress.NetAddressError>
    /**
     * Undoes every `refuse`, `blackhole` and `partition`. Connections that have not timed out yet go on, and send again
     * what was lost.
     */
    readonly heal: Effect.Effect<void>
    /**
     * Every connection between the two is lost at `local`, whose owner hears `TransportClosed` with code 1
     * (INTERNAL_ERROR). `peer` is told nothing and finds out by its idle timeout.
     */
    readonly kill: (
      local: NetAddress.InetAddressInput,
      peer: NetAddress.InetAddressInput
    ) => Effect.Effect<void, NetAddress.NetAddressError>
    /** What `MemoryTransport` sends its packets on. */
    readonly wire: Wire
  }
>()("@qp2p/testkit/MemoryNetwork") {}

const keyFrom = (input: NetAddress.InetAddressInput) =>
  Effect.map(Effect.fromResult(NetAddress.inetAddressFromInput(input)), keyOf)

/**
 * A network with nothing on it. It stops when the scope closes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<MemoryNetwork["Service"], never, Scope.Scope> = Effect.gen(function* () {
  const wire = new Wire(yield* Timeline.make)

  const pairFrom = (a: NetAddress.InetAddressInput, b: NetAddress.InetAddressInput) =>
    Effect.all([keyFrom(a), keyFrom(b)])

  return MemoryNetwork.of({
    setLatency: (latency) =>
      Effect.sync(() => {
        wire.latency = Duration.toMillis(Duration.fromInputUnsafe(latency))
      }),
    refuse: (address) => Effect.map(keyFrom(address), (key) => void wire.refused.add(key)),
    blackhole: (address) => Effect.map(keyFrom(address), (key) => void wire.blackholes.add(key)),
    partition: (a, b) => Effect.map(pairFrom(a, b), (keys) => void wire.partitions.add(pairOf(...keys))),
    heal: Effect.sync(() => {
      for (const cuts of [wire.refused, wire.blackholes, wire.partitions]) cuts.clear()
      for (const link of wire.links) link.resend()
    }),
    kill: (local, peer) =>
      Effect.map(pairFrom(local, peer), ([from, to]) => {
        // Whoever hears of it may dial anew at once, and that dial is none of these.
        const links = Array.from(wire.links)
        for (const link of links) if (link.from === from && link.to === to) link.kill()
      }),
    wire
  })
})

/**
 * A network of its own. Endpoints that are to reach each other must share one.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<MemoryNetwork> = Layer.effect(MemoryNetwork, make)
