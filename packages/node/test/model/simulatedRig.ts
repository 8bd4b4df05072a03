/**
 * The real QUIC driver on a bad network in memory, and the system's clock.
 */
import * as SimulatedNetwork from "@qp2p/testkit/SimulatedNetwork"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import { setImmediate, setTimeout } from "node:timers/promises"
import { Transport } from "@qp2p/core/Transport"
import type { Rig } from "./rig.ts"

/** About what a step takes to come about when nothing is in the way, in milliseconds. */
const moment = 3

const addressOf = (slot: number) => `10.0.0.${slot + 1}:4433`

export const simulatedRig = async (options: SimulatedNetwork.Options): Promise<Rig> => {
  const scope = Scope.makeUnsafe()
  const base = Context.make(References.MinimumLogLevel, "None")
  const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> => Effect.runPromiseWith(base)(effect)
  const layer = Layer.provideMerge(SimulatedNetwork.layerTransport, SimulatedNetwork.layer(options))
  const services = await run(Layer.buildWithScope(layer, scope))
  const network = Context.get(services, SimulatedNetwork.SimulatedNetwork)
  const transport = Context.get(services, Transport)
  const count = { fibers: 0 }
  const cuts: Array<Effect.Effect<void, unknown>> = []

  return {
    exact: false,
    context: Context.add(base, Metric.FiberRuntimeMetrics, {
      recordFiberStart: () => void count.fibers++,
      recordFiberEnd: () => void count.fibers--
    }),
    transport: () => transport,
    addressOf,
    drain: async (turns) => {
      if (turns === undefined || turns === Infinity) await setTimeout(moment)
      else for (let i = 0; i < turns; i++) await setImmediate()
      return turns === undefined || turns === Infinity
    },
    pass: (millis) => setTimeout(millis),
    patience: 0,
    setLatency: (millis) => run(network.setLatency(millis)),
    partition: (from, to, bothWays) => {
      const cut = (bothWays ? network.partition : network.partitionOneWay)(addressOf(from), addressOf(to))
      cuts.push(cut)
      return run(cut)
    },
    heal: () => {
      cuts.length = 0
      return run(network.heal)
    },
    kill: undefined,
    silently: async (slot, down) => {
      await run(network.blackhole(addressOf(slot)))
      await down()
      // The other cuts stay: nothing gets through in between.
      await run(Effect.andThen(network.heal, Effect.all(cuts)))
    },
    leftovers: () => (count.fibers > 0 ? [`${count.fibers} fibers`] : []),
    dispose: async () => {
      await run(Scope.close(scope, Exit.void))
      return []
    }
  }
}
