import { Endpoint, PortMapper } from "@qp2p/core"
import { MemoryNetwork, MemoryTransport, TestIdentity } from "@qp2p/testkit"
import { Context, Effect, Layer, type Scope, Stream } from "effect"
import { Chat, type Event, type Options } from "../src/Chat.ts"

/** A network in memory, which `TestClock` drives. */
const memory = Layer.merge(MemoryTransport.layerNetwork(), PortMapper.layerNone)

export const onNetwork = <A, E>(
  test: Effect.Effect<A, E, Layer.Success<typeof memory> | Scope.Scope>
): Effect.Effect<A, E> => test.pipe(Effect.scoped, Effect.provide(memory))

export const network = Effect.service(MemoryNetwork.MemoryNetwork)

/**
 * A participant as long as the scope lives. The same name has the same key, and is so the same peer. Its chat has the endpoint as
 * `seen` returns it.
 */
export const participant = Effect.fnUntraced(function* (
  name: string,
  localAddress: string,
  options?: Partial<Options>,
  seen: (endpoint: Endpoint.Endpoint["Service"]) => Endpoint.Endpoint["Service"] = (endpoint) => endpoint
) {
  const endpoint = Endpoint.layer({ localAddress, identity: TestIdentity.make(name) })
  const chat = Layer.updateService(Chat.layer({ name, ...options }), Endpoint.Endpoint, seen)
  const services = yield* Layer.build(Layer.provideMerge(chat, endpoint))
  return { ...Context.get(services, Chat), endpoint: Context.get(services, Endpoint.Endpoint) }
})

export const text = (event: Event): string => {
  switch (event._tag) {
    case "Came":
      return `${event.member.name} ${event.isBack ? "is back" : "came"}`
    case "Went":
      return `${event.member.name} went`
    case "Said":
      return `${event.member.name}: ${event.text}`
    case "Missed":
      return `no ${event.contact}: ${event.reason}`
  }
}

/** The next events, as text. */
export const next = ({ events }: Pick<Chat["Service"], "events">, count: number) =>
  Effect.map(Stream.runCollect(Stream.take(events, count)), (all) => all.map(text))

/** Waits until something is so. */
export const until = (isSo: Effect.Effect<boolean>): Effect.Effect<void> =>
  Effect.flatMap(isSo, (is) => (is ? Effect.void : Effect.andThen(Effect.yieldNow, until(isSo))))
