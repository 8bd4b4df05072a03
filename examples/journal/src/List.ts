/** A shopping list, as the events that change it. */
import { Context, Effect, Layer, Schema } from "effect"
import { EventGroup, EventLog } from "effect/eventlog"

/** What may happen to a list. An item is known by its name. */
const Events = EventGroup.empty
  .add({ tag: "Added", primaryKey: (name) => name, payload: Schema.String })
  .add({ tag: "Bought", primaryKey: (name) => name, payload: Schema.String })

/** The events of a list. */
export const schema = EventLog.schema(Events)

/** The list, as the events so far have made it. */
export class List extends Context.Service<
  List,
  {
    /** Puts an item on the list. */
    readonly add: (name: string) => Effect.Effect<void>
    /** Takes an item off the list, for good. */
    readonly buy: (name: string) => Effect.Effect<void>
    /** What is to be bought, in the order of the alphabet. */
    readonly items: Effect.Effect<ReadonlyArray<string>>
  }
>()("@qp2p-examples/journal/List") {}

/** What the events of this device and of others have done. The order in which they arrive makes no difference. */
class State extends Context.Service<State, { readonly added: Set<string>; readonly bought: Set<string> }>()(
  "@qp2p-examples/journal/List/State"
) {}

const handlers = EventLog.group(Events, (handle) =>
  Effect.map(State, ({ added, bought }) =>
    handle
      .handle("Added", ({ payload }) => Effect.sync(() => void added.add(payload)))
      .handle("Bought", ({ payload }) => Effect.sync(() => void bought.add(payload)))
  )
)

/** Provides the list and the log of its events, which `EventLogRemote` replicates. */
export const layer = Layer.effect(
  List,
  Effect.gen(function* () {
    const write = yield* EventLog.makeClient(schema)
    const { added, bought } = yield* State
    return List.of({
      add: (name) => Effect.orDie(write({ event: "Added", payload: name })),
      buy: (name) => Effect.orDie(write({ event: "Bought", payload: name })),
      items: Effect.sync(() => [...added].filter((name) => !bought.has(name)).toSorted())
    })
  })
).pipe(
  Layer.provideMerge(EventLog.layer(schema, handlers)),
  Layer.provide(Layer.sync(State, () => ({ added: new Set<string>(), bought: new Set<string>() })))
)
