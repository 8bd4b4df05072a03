/**
 * A network in memory, on a clock of its own: the same program has the same outcome each time.
 */
import * as MemoryNetwork from "@qp2p/testkit/MemoryNetwork"
import * as MemoryTransport from "@qp2p/testkit/MemoryTransport"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as References from "effect/References"
import * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import { Transport } from "@qp2p/core/Transport"
import { coalescing } from "./coalescing.ts"
import { ManualClock } from "./manualClock.ts"
import type { Rig } from "./rig.ts"
import { Turns } from "./turns.ts"

const addressOf = (slot: number) => `10.0.0.${slot + 1}:4433`

/**
 * `schedule` is the seed of the order in which fibers have their turns; 0 is first come, first served. With an odd one
 * small writes travel together.
 */
export const memoryRig = async (schedule: number): Promise<Rig> => {
  const turns = new Turns(schedule)
  const scope = Scope.makeUnsafe()
  const base = Context.empty().pipe(
    Context.add(Scheduler.Scheduler, turns.scheduler),
    Context.add(References.MinimumLogLevel, "None"),
    Context.add(Random.Random, Effect.runSync(Random.withSeed(Effect.service(Random.Random), schedule)))
  )

  /** Runs an effect of the network's own. */
  const run = async <A, E>(effect: Effect.Effect<A, E>, context: Context.Context<never>): Promise<A> => {
    const fiber = Effect.runForkWith(context)(effect)
    if (fiber.pollUnsafe() === undefined) await turns.drain()
    const exit = fiber.pollUnsafe()
    if (exit === undefined) throw new Error("the network does not get on")
    if (Exit.isFailure(exit)) throw new Error("the network fails", { cause: exit.cause })
    return exit.value
  }

  const clock = new ManualClock()
  const ofNetwork = { sleeping: 0 }
  const timed = Context.add(base, Clock.Clock, clock.face(ofNetwork))
  const network = await run(Layer.buildWithScope(MemoryTransport.layerNetwork(), scope), timed)
  const plain = Context.get(network, Transport)
  const transport = schedule % 2 === 0 ? plain : coalescing(plain, turns.later)
  const service = Context.get(network, MemoryNetwork.MemoryNetwork)

  const ofEndpoints = { sleeping: 0, fibers: 0 }
  const context = base.pipe(
    Context.add(Clock.Clock, clock.face(ofEndpoints)),
    Context.add(Metric.FiberRuntimeMetrics, {
      recordFiberStart: () => void ofEndpoints.fibers++,
      recordFiberEnd: () => void ofEndpoints.fibers--
    })
  )

  const cuts: Array<Effect.Effect<void, unknown>> = []
  const cut = (effect: Effect.Effect<void, unknown>) => {
    cuts.push(effect)
    return run(effect, timed)
  }

  return {
    exact: true,
    context,
    transport: () => transport,
    addressOf,
    drain: (limit) => turns.drain(limit),
    pass: (millis) => clock.pass(millis, () => turns.drain()),
    patience: 200_000,
    setLatency: (millis) => run(service.setLatency(millis), timed),
    partition: (from, to, bothWays) =>
      cut((bothWays ? service.partition : service.partitionOneWay)(addressOf(from), addressOf(to))),
    heal: () => {
      cuts.length = 0
      return run(service.heal, timed)
    },
    kill: (a, b) => run(service.kill(addressOf(a), addressOf(b)), timed),
    silently: async (slot, down) => {
      Effect.runSync(service.blackhole(addressOf(slot)))
      await down()
      // The other cuts stay: nothing gets through in between.
      await run(Effect.andThen(service.heal, Effect.all(cuts)), timed)
    },
    leftovers: () => {
      const left: Array<string> = []
      if (ofEndpoints.fibers > 0) left.push(`${ofEndpoints.fibers} fibers`)
      if (ofEndpoints.sleeping > 0) left.push(`${ofEndpoints.sleeping} timers`)
      return left
    },
    dispose: async () => {
      await run(Scope.close(scope, Exit.void), base)
      return ofNetwork.sleeping > 0 ? [`${ofNetwork.sleeping} timers of the network`] : []
    }
  }
}
