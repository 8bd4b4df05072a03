/**
 * Effect Cluster over endpoints: runners that know each other by their keys.
 *
 * The host of a runner's `RunnerAddress` is `ID@host`, IPv6 in brackets. Runners connect with that key alone, wherever the
 * address leads.
 *
 * @stability unstable
 * @since 0.1.0
 */
import { Endpoint } from "@qp2p/core/Endpoint"
import {
  duration,
  type Fields,
  func,
  integer,
  type InvalidArgument,
  ofOptions,
  ofRecord,
  optional,
  unless
} from "@qp2p/core/InvalidArgument"
import type { PeerId } from "@qp2p/core/PeerId"
import type { ProtocolTaken } from "@qp2p/core/ProtocolError"
import type * as MessageStorage from "effect/cluster/MessageStorage"
import * as RunnerHealth from "effect/cluster/RunnerHealth"
import * as RunnerServer from "effect/cluster/RunnerServer"
import type * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as Runners from "effect/cluster/Runners"
import type { Sharding } from "effect/cluster/Sharding"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Result from "effect/Result"
import type * as RpcClient from "effect/rpc/RpcClient"
import { RpcClientDefect, RpcClientError } from "effect/rpc/RpcClientError"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Struct from "effect/Struct"
import * as address from "./internal/runner/address.ts"
import { guard, Membership } from "./internal/runner/membership.ts"
import * as QuicRpcClient from "./QuicRpcClient.ts"
import * as QuicRpcServer from "./QuicRpcServer.ts"

/** The name of the protocol on the wire. */
const protocol = "effect-cluster"

/**
 * The options of a runner.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * Tells whether a peer belongs to the cluster. It is asked for each stream that a peer opens, and before this runner connects
   * with another one. An effect that fails, has a defect or answers no boolean refuses the peer.
   */
  readonly members: (peerId: PeerId) => Effect.Effect<boolean>
}

const fields: Fields = { members: func }

/** The layer, unless its options are wrong: those of callers without types are an `InvalidArgument` when the layer is built. */
const checked = <A, E, R>(
  problem: () => InvalidArgument | undefined,
  make: () => Layer.Layer<A, E, R>
): Layer.Layer<A, E, R> => Layer.unwrap(unless(problem, () => Effect.sync(make)))

/** A protocol whose every call fails, for a runner that cannot be called. */
const unreachable = (reason: unknown, codecFor: RpcSerialization.CodecFor): RpcClient.Protocol["Service"] => {
  const message = reason instanceof Error ? reason.message : String(reason)
  const error = new RpcClientError({ reason: new RpcClientDefect({ message, cause: reason }) })
  return {
    run: () => Effect.never,
    send: () => Effect.fail(error),
    supportsAck: false,
    supportsTransferables: false,
    codecFor
  }
}

/** The protocol between runners. Without members, it calls every runner that the storage lists. */
const makeRunnerProtocol = (membership: Membership | undefined) =>
  Effect.gen(function* () {
    const context = yield* Effect.context<Endpoint | RpcSerialization.RpcSerialization>()
    const { codecFor } = Context.get(context, RpcSerialization.RpcSerialization)
    return Runners.RpcClientProtocol.of({
      codecFor,
      make: Effect.fnUntraced(function* (runnerAddress) {
        const runner = address.parse(runnerAddress)
        if (Result.isFailure(runner)) return unreachable(runner.failure, codecFor)
        const { peer, peerId } = runner.success
        if (membership !== undefined && !(yield* membership.isMember(peerId))) {
          return unreachable(new Error(`${peer} does not belong to the cluster`), codecFor)
        }
        return yield* QuicRpcClient.makeProtocol(peer, { protocol })
      }, Effect.provideContext(context))
    })
  })

/**
 * Provides the calls of other runners over the endpoint: it dials `ID@host` and the port of a `RunnerAddress`. A call of an
 * address that is not of that form fails with `RpcClientError`, which Effect Cluster takes for a runner that is unavailable.
 *
 * It calls every runner that the storage lists. `layer` brings one that calls members alone.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerRunnerProtocol: Layer.Layer<
  Runners.RpcClientProtocol,
  never,
  Endpoint | RpcSerialization.RpcSerialization
> = Layer.effect(Runners.RpcClientProtocol, makeRunnerProtocol(undefined))

/** The same, with members. */
const layerProtocolOf = (membership: Membership) =>
  Layer.effect(Runners.RpcClientProtocol, makeRunnerProtocol(membership))

/**
 * Runs a runner on the endpoint: it serves the runners of the cluster, calls them, and hosts the shards that it gets. Other peers
 * of the endpoint are refused: their streams of this protocol are reset, and a runner that the storage lists but whose id is not a
 * member is not called. To have no connections with other peers at all, give the endpoint a `PeerPolicy`, too.
 *
 * Fails with `ProtocolTaken` when the endpoint already has a runner. `ShardingConfig.runnerAddress` is where other runners
 * reach this endpoint, as `layerShardingConfig` has it.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<
  Sharding | Runners.Runners,
  ProtocolTaken,
  | Endpoint
  | RpcSerialization.RpcSerialization
  | ShardingConfig.ShardingConfig
  | MessageStorage.MessageStorage
  | RunnerStorage.RunnerStorage
  | RunnerHealth.RunnerHealth
> =>
  checked(
    () => ofRecord("options", options, fields),
    () => {
      const membership = new Membership(options.members)
      return RunnerServer.layerWithClients.pipe(
        Layer.provide(
          QuicRpcServer.layerProtocol({ protocol }).pipe(
            Layer.updateService(Endpoint, (endpoint) => guard(endpoint, membership))
          )
        ),
        Layer.provide(layerProtocolOf(membership))
      )
    }
  )

/**
 * Calls the entities of a cluster from an endpoint that hosts none. The members of the cluster must count its id among them.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerClientOnly = (
  options: Options
): Layer.Layer<
  Sharding | Runners.Runners,
  never,
  | Endpoint
  | RpcSerialization.RpcSerialization
  | ShardingConfig.ShardingConfig
  | MessageStorage.MessageStorage
  | RunnerStorage.RunnerStorage
> =>
  checked(
    () => ofRecord("options", options, fields),
    () => RunnerServer.layerClientOnly.pipe(Layer.provide(layerProtocolOf(new Membership(options.members))))
  )

/**
 * The options of `layerHealth`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface HealthOptions extends Options {
  /** How long a runner may take to answer. Default 2 s. */
  readonly timeout?: Duration.Input | undefined
  /** After how many questions without an answer a runner is unhealthy: 1 to 1,000. Default 3. */
  readonly attempts?: number | undefined
}

const healthFields: Fields = { ...fields, timeout: optional(duration), attempts: optional(integer(1, 1_000)) }

/**
 * Asks runners over the endpoint whether they are there. One that does not answer, or is not a member, is unhealthy: its shards go
 * to others.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerHealth = (
  options: HealthOptions
): Layer.Layer<
  RunnerHealth.RunnerHealth,
  never,
  Endpoint | RpcSerialization.RpcSerialization | ShardingConfig.ShardingConfig | MessageStorage.MessageStorage
> =>
  checked(
    () => ofRecord("options", options, healthFields),
    () => {
      const { attempts = 3, members, timeout = "2 seconds" } = options
      return Layer.effect(
        RunnerHealth.RunnerHealth,
        Effect.map(Runners.Runners, ({ ping }) => ({
          isAlive: (runner) =>
            ping(runner).pipe(Effect.timeout(timeout), Effect.retry({ times: attempts - 1 }), Effect.isSuccess)
        }))
      ).pipe(Layer.provide(Layer.fresh(Runners.layerRpc)), Layer.provide(layerProtocolOf(new Membership(members))))
    }
  )

/** The settings of Effect Cluster that are not those of the endpoint. Their values are for Effect to look at. */
const shardingFields: Fields = Record.map(
  Struct.omit(ShardingConfig.defaults, ["runnerAddress", "runnerListenAddress"]),
  () => () => undefined
)

/**
 * Provides the `ShardingConfig` of this endpoint's runner: `runnerAddress` is its id and its public address at the time, and
 * what `options` leave out is as in `ShardingConfig.defaults`. All runners of a cluster need the same numbers of shards.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layerShardingConfig = (
  options?: Partial<Omit<ShardingConfig.ShardingConfig["Service"], "runnerAddress" | "runnerListenAddress">>
): Layer.Layer<ShardingConfig.ShardingConfig, never, Endpoint> =>
  Layer.effect(
    ShardingConfig.ShardingConfig,
    unless(
      () => ofOptions(options, shardingFields),
      () =>
        Effect.map(Endpoint, ({ peerId, publicAddress }) => ({
          ...ShardingConfig.defaults,
          ...options,
          runnerAddress: Option.some(address.make(peerId, publicAddress))
        }))
    )
  )
