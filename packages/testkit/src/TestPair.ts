/**
 * Two endpoints on a network in memory, and a typed client between them, in one line.
 *
 * ```ts
 * import { Messages } from "@qp2p/core"
 * import { TestPair } from "@qp2p/testkit"
 * import { Effect, Schema } from "effect"
 *
 * const test = Effect.gen(function* () {
 *   const { one, two } = yield* TestPair.both(Messages.make("chat", { message: Schema.String }))
 * }).pipe(Effect.scoped, Effect.provide(TestPair.layer()))
 * ```
 *
 * The endpoints are those of `Topology.Pair`, and `MemoryNetwork` controls what is between them. With `it.effect` it all runs on
 * `TestClock`.
 *
 * @stability unstable
 * @since 0.1.0
 */
import { Endpoint } from "@qp2p/core/Endpoint"
import type { EndpointError } from "@qp2p/core/EndpointError"
import { check, effect, func, InvalidArgument, ofRecord, ofValue, show, untyped } from "@qp2p/core/InvalidArgument"
import type { PeerAddress } from "@qp2p/core/PeerAddress"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { MemoryNetwork } from "./MemoryNetwork.ts"
import * as MemoryTransport from "./MemoryTransport.ts"
import * as Topology from "./Topology.ts"

/**
 * What a pair is tested with.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Ends<in out S, in out ES, in out RS, in out C, in out EC, in out RC> {
  /** What serves at the endpoint `two`: `Protocol.layer`, or a layer of your program. */
  readonly server: Layer.Layer<S, ES, RS>
  /** What calls it from the endpoint `one`; `peer` is `two`. Its services are what the test gets. */
  readonly client: (peer: PeerAddress) => Layer.Layer<C, EC, RC>
}

/**
 * Two endpoints on a network in memory of their own, not connected yet: `Topology.Pair`.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Topology.Options): Layer.Layer<Topology.Pair | MemoryNetwork, EndpointError> =>
  Topology.layerPair(options).pipe(
    Layer.provideMerge(MemoryTransport.layerNetwork()),
    Layer.provide(PortMapper.layerNone)
  )

/**
 * A client and what it calls, on two endpoints on a network in memory of their own. Each side has layers of its own, also where both
 * use the same one.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerOf = <S, ES, RS, C, EC, RC>(
  ends: Ends<S, ES, RS, C, EC, RC>,
  options?: Topology.Options
): Layer.Layer<
  C | Topology.Pair | MemoryNetwork,
  ES | EC | EndpointError,
  Exclude<RS | RC, Endpoint | Topology.Pair | MemoryNetwork>
> => {
  const wrong = ofRecord("ends", ends, { server: aLayer, client: func })
  if (wrong !== undefined) return Layer.effectDiscard(untyped(wrong)) as never
  const between = Layer.unwrap(
    Effect.flatMap(Topology.Pair, ({ one, two }) =>
      Effect.map(clientOf(ends.client, two.peerAddress), (client) =>
        // The client is built when its server is there.
        Layer.provide(
          Layer.provide(Layer.fresh(client), Layer.succeed(Endpoint, one)),
          Layer.effectDiscard(Layer.build(Layer.provide(Layer.fresh(ends.server), Layer.succeed(Endpoint, two))))
        )
      )
    )
  )
  return Layer.provideMerge(between, layer(options)) as never
}

const aLayer = check("must be a Layer", Layer.isLayer)

const clientOf = <C, EC, RC>(
  make: (peer: PeerAddress) => Layer.Layer<C, EC, RC>,
  peer: PeerAddress
): Effect.Effect<Layer.Layer<C, EC, RC>> =>
  Effect.suspend(() => {
    const made = make(peer)
    if (Layer.isLayer(made)) return Effect.succeed(made)
    return untyped(new InvalidArgument({ argument: "ends.client", detail: `must return a Layer, got ${show(made)}` }))
  })

/**
 * Runs the same effect at both endpoints of a pair, such as `Messages.make`, and returns what each has made.
 *
 * @stability unstable
 * @category operations
 * @since 0.1.0
 */
export const both = <A, E, R>(
  made: Effect.Effect<A, E, R>
): Effect.Effect<{ readonly one: A; readonly two: A }, E, Topology.Pair | Exclude<R, Endpoint>> => {
  const wrong = ofValue("effect", made, effect)
  if (wrong !== undefined) return untyped(wrong)
  return Effect.flatMap(Topology.Pair, ({ one, two }) =>
    Effect.all({
      one: Effect.provideService(made, Endpoint, one),
      two: Effect.provideService(made, Endpoint, two)
    })
  )
}
