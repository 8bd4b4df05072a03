/** A runner's process: it joins the cluster that the parent tells it, hosts entities, and calls those of the other runner. */
import { NodeRuntime } from "@effect/platform-node"
import { Context, Effect, Layer, Queue, Schema } from "effect"
import { Entity, EntityId, Sharding } from "effect/cluster"
import { Rpc } from "effect/rpc"
import { argv } from "node:process"
import type { Answer, Order, TransportName } from "./messages.ts"
import { runner } from "./transports.ts"

const Echo = Entity.make("Echo", [Rpc.make("Say", { payload: { text: Schema.String }, success: Schema.String })])

const layerEcho = Echo.toLayer({ Say: ({ payload: { text } }) => Effect.succeed(text) })

/** How many entities are called, in turn. */
const entities = 100

const tell = (answer: Answer) => Effect.sync(() => void process.send!(answer))

const main = Effect.gen(function* () {
  const orders = yield* Queue.make<Order>()
  process.on("message", (order: Order) => void Queue.offerUnsafe(orders, order))
  process.on("disconnect", () => process.exit())

  const { layer, own } = yield* runner(argv[2] as TransportName)
  yield* tell({ answer: "place", place: own })
  const join = yield* Queue.take(orders)
  if (join.order !== "join") return yield* Effect.die(new Error(`${join.order} before join`))
  const services = yield* Layer.build(layerEcho.pipe(Layer.provideMerge(layer(join.places))))
  const sharding = Context.get(services, Sharding.Sharding)
  const echo = yield* sharding.makeClient(Echo)

  // The entities of the other runner, each of which has answered.
  const shardOf = (id: string) => sharding.getShardId(EntityId.make(id), "default")
  const ids: Array<string> = []
  for (let number = 0; ids.length < entities; number++) {
    const id = `entity-${number}`
    yield* echo(id).Say({ text: "" })
    if (!sharding.hasShardId(shardOf(id))) ids.push(id)
  }
  yield* tell({ answer: "joined" })

  while (true) {
    const order = yield* Queue.take(orders)
    if (order.order !== "measure") continue
    const text = "x".repeat(order.bytes)
    const began = performance.now()
    const end = began + order.seconds * 1_000
    let calls = 0
    const caller = Effect.gen(function* () {
      while (performance.now() < end) {
        yield* echo(ids[calls++ % entities]!).Say({ text })
      }
    })
    yield* Effect.all(
      Array.from({ length: order.inFlight }, () => caller),
      { concurrency: "unbounded", discard: true }
    )
    yield* tell({ answer: "measured", calls, seconds: (performance.now() - began) / 1_000 })
  }
})

NodeRuntime.runMain(Effect.scoped(main))
