/** Effect RPC over some protocol, as a contender: it makes calls, and carries no messages. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Calls, Contender } from "../../contender.ts"
import { Counter } from "../counting.ts"
import * as service from "./service.ts"

/** How one protocol is served and called. */
export interface Protocol {
  readonly name: string
  readonly about: string
  readonly carrier: "udp" | "tcp"
  /** The protocol of the server, and the address that it listens at. */
  readonly serve: Layer.Layer<RpcServer.Protocol | Address, unknown, RpcSerialization.RpcSerialization>
  readonly call: (address: string) => Layer.Layer<RpcClient.Protocol, unknown, RpcSerialization.RpcSerialization>
}

/** Where a server listens. */
export class Address extends Context.Service<Address, string>()("benchmarks/Address") {}

type Client = Effect.Success<typeof service.client>

/** Runs something as long as a scope lives; ending it closes the scope. */
const scoped = async <A>(effect: Effect.Effect<A, unknown, Scope.Scope | RpcSerialization.RpcSerialization>) => {
  const scope = await Effect.runPromise(Scope.make())
  const value = await Effect.runPromise(
    effect.pipe(Effect.provideService(Scope.Scope, scope), Effect.provide(RpcSerialization.layerNdjson))
  )
  return { value, close: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
}

const callsOf = (client: Client): Calls => ({
  unary: ({ count, inFlight, size }) => {
    const text = "x".repeat(size)
    const times = new Float64Array(count)
    let next = 0
    const caller = Effect.gen(function* () {
      for (let call = next++; call < count; call = next++) {
        const begin = performance.now()
        const answer = yield* client.Echo({ text })
        times[call] = performance.now() - begin
        if (answer !== text) throw new Error(`${answer.length} characters came as the answer to ${size}`)
      }
    })
    const callers = Array.from({ length: Math.min(count, inFlight) }, () => caller)
    return Effect.runPromise(Effect.as(Effect.all(callers, { concurrency: "unbounded", discard: true }), times))
  },
  stream: (count) =>
    Effect.runPromise(
      Effect.map(
        Stream.runFold(
          client.Count({ count }),
          () => 0,
          (seen) => seen + 1
        ),
        (seen) => {
          if (seen !== count) throw new Error(`${seen} elements came, and not ${count}`)
        }
      )
    ),
  long: (size) =>
    Effect.runPromise(
      Effect.map(client.Long({ size }), (answer) => {
        if (answer.length !== size) throw new Error(`${answer.length} characters came, and not ${size}`)
      })
    )
})

const refuse = () => Promise.reject(new Error("it makes calls, and carries no messages"))

/** Makes the contender of a protocol. */
export const rpc = ({ about, call, carrier, name, serve }: Protocol): Contender => {
  const dial = async (address: string) => {
    const { close, value } = await scoped(
      Effect.gen(function* () {
        const protocol = yield* Layer.build(call(address))
        return yield* Effect.provide(service.client, protocol)
      })
    )
    return { messages: refuse, requests: refuse, calls: callsOf(value), close }
  }
  return {
    name,
    about: `Effect RPC 4.1.0 with NDJSON ${about}`,
    carrier,
    makes: "calls",
    listen: async () => {
      const counter = new Counter()
      const { close, value } = await scoped(
        Layer.build(
          RpcServer.layer(service.Service).pipe(Layer.provide(service.handlers(counter)), Layer.provideMerge(serve))
        )
      )
      return { address: Context.get(value, Address), counts: counter.counts, close }
    },
    dial,
    dialler: async () => {
      const closes: Array<() => Promise<void>> = []
      return {
        connect: async (address) => {
          const link = await dial(address)
          closes.push(link.close)
          return link
        },
        close: async () => {
          await Promise.all(closes.map((close) => close()))
        }
      }
    }
  }
}
