/**
 * Two endpoints on a network in memory, an RPC server at one and a typed client at the other, in one line. Needs `@qp2p/rpc`.
 *
 * ```ts
 * import * as TestRpc from "@qp2p/testkit/TestRpc"
 * import { Effect, Layer, Schema } from "effect"
 * import { Rpc, RpcClient, RpcGroup, RpcServer } from "effect/rpc"
 *
 * const Greeter = RpcGroup.make(Rpc.make("Greet", { payload: { name: Schema.String }, success: Schema.String }))
 * const handlers = Greeter.toLayer({ Greet: ({ name }) => Effect.succeed(`Hello ${name}`) })
 * const server = Layer.provide(RpcServer.layer(Greeter), handlers)
 *
 * const test = Effect.gen(function* () {
 *   const client = yield* RpcClient.make(Greeter)
 *   return yield* client.Greet({ name: "Ann" })
 * }).pipe(Effect.scoped, Effect.provide(TestRpc.layer({ server })))
 * ```
 *
 * The endpoint `one` of `Topology.Pair` calls, and `two` serves. `MemoryNetwork` controls what is between them. With `it.effect` it all
 * runs on `TestClock`.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type { Endpoint } from "@qp2p/core/Endpoint"
import type { EndpointError } from "@qp2p/core/EndpointError"
import { check, type Fields, ofOptions, ofRecord, optional, untyped } from "@qp2p/core/InvalidArgument"
import type { ProtocolTaken } from "@qp2p/core/Protocol"
import type { Authenticated } from "@qp2p/rpc/QuicRpc"
import * as QuicRpcClient from "@qp2p/rpc/QuicRpcClient"
import * as QuicRpcServer from "@qp2p/rpc/QuicRpcServer"
import * as Layer from "effect/Layer"
import type * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import type * as RpcServer from "effect/rpc/RpcServer"
import type { MemoryNetwork } from "./MemoryNetwork.ts"
import * as TestPair from "./TestPair.ts"
import type * as Topology from "./Topology.ts"

/**
 * What is tested.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Ends<in out S, in out ES, in out RS, in out C, in out EC, in out RC> {
  /** What serves at the endpoint `two`: `RpcServer.layer` with its handlers, or a layer of your program. */
  readonly server: Layer.Layer<S, ES, RS>
  /**
   * The clients of your program, at the endpoint `one`, such as a service that `RpcClient.make` makes. By default there is none, and
   * the test makes its client.
   */
  readonly client?: Layer.Layer<C, EC, RC> | undefined
}

/**
 * The options of `layer`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The serialization of both sides. Default `RpcSerialization.layerNdjson`. */
  readonly serialization?: Layer.Layer<RpcSerialization.RpcSerialization> | undefined
  /** The options of `QuicRpcServer.layerProtocol`. */
  readonly server?: QuicRpcServer.Options | undefined
  /** The options of `QuicRpcClient.layerProtocol`. */
  readonly client?: QuicRpcClient.Options | undefined
  /** The options of the two endpoints. */
  readonly endpoints?: Topology.Options | undefined
}

/**
 * What `layer` has for the server and for the clients.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Provided =
  | RpcServer.Protocol
  | Authenticated
  | RpcClient.Protocol
  | RpcSerialization.RpcSerialization
  | Endpoint
  | Topology.Pair
  | MemoryNetwork

const aLayer = check("must be a Layer", Layer.isLayer)

const endFields: Fields = { server: aLayer, client: optional(aLayer) }

// Options of others are checked where they are used.
const optionFields: Fields = {
  serialization: optional(aLayer),
  server: () => undefined,
  client: () => undefined,
  endpoints: () => undefined
}

/**
 * An RPC server and its clients on two endpoints, on a network in memory of their own. Has the services of the clients, and the
 * `RpcClient.Protocol` that calls the server. The endpoints are not connected before the first call.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = <S, ES, RS, C = never, EC = never, RC = never>(
  ends: Ends<S, ES, RS, C, EC, RC>,
  options?: Options
): Layer.Layer<
  C | RpcClient.Protocol | Topology.Pair | MemoryNetwork,
  ES | EC | EndpointError | ProtocolTaken,
  Exclude<RS | RC, Provided>
> => {
  const wrong = ofRecord("ends", ends, endFields) ?? ofOptions(options, optionFields)
  if (wrong !== undefined) return Layer.effectDiscard(untyped(wrong)) as never
  const serialization = options?.serialization ?? RpcSerialization.layerNdjson
  const clients: Layer.Layer<C, EC, RC> = ends.client ?? (Layer.empty as never)
  return TestPair.layerOf(
    {
      server: ends.server.pipe(
        Layer.provide(QuicRpcServer.layerProtocol(options?.server)),
        Layer.provide(serialization)
      ),
      client: (peer) =>
        clients.pipe(
          Layer.provideMerge(QuicRpcClient.layerProtocol(peer, options?.client)),
          Layer.provide(serialization)
        )
    },
    options?.endpoints
  ) as never
}
