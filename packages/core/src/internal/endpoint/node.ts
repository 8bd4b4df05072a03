/**
 * What an endpoint has before it is bootstrapped: a bound socket and everything behind it.
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as NetAddress from "effect/net/NetAddress"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { unbindable } from "../../Address.ts"
import type * as Bootstrap from "../../Bootstrap.ts"
import { ConnectionId } from "../../ConnectionId.ts"
import type * as ConnectionPool from "../../ConnectionPool.ts"
import type { Options } from "../../Endpoint.ts"
import type * as EndpointConfig from "../../EndpointConfig.ts"
import { type EndpointConfigError, BindError } from "../../EndpointError.ts"
import { RetrySchedule } from "../../RetrySchedule.ts"
import { Transport } from "../../Transport.ts"
import { Connections } from "./connections.ts"
import { naming } from "./naming.ts"
import { callback, read } from "./options.ts"

/** A bound socket and everything behind it, not yet bootstrapped. */
export interface Node {
  readonly config: EndpointConfig.EndpointConfig
  readonly localAddress: NetAddress.InetAddress
  readonly contacts: ReadonlyArray<NetAddress.InetAddress>
  readonly connections: Connections
  readonly retrySchedule: (retryDuration: Duration.Duration) => Schedule.Schedule<unknown>
}

export const open = Effect.fnUntraced(function* (
  options: Options,
  pools: ConnectionPool.ConnectionPool["Service"],
  bootstrap: Bootstrap.Bootstrap["Service"],
  accept: boolean
): Effect.fn.Return<Node, EndpointConfigError | BindError, Scope.Scope | Transport> {
  const scope = yield* Effect.scope
  const transport = yield* Transport
  const interfaces = transport.interfaces ?? (() => [])
  const { config, contacts, localAddress, streams } = yield* read(options, interfaces)
  const detail = unbindable(localAddress)
  if (detail !== undefined) return yield* new BindError({ address: localAddress, detail, cause: new Error(detail) })
  const clock = yield* Clock.Clock
  const run = Effect.runForkWith(yield* Effect.context())
  const namer = yield* callback("ConnectionId", yield* ConnectionId)
  const retrySchedule = yield* callback("RetrySchedule", yield* RetrySchedule)
  const connections = new Connections({
    config,
    interfaces,
    pool: yield* pools.open,
    nameOf: naming(namer, (warning) => void Fiber.runIn(run(Effect.logError(warning)), scope)),
    respond: bootstrap.respond,
    now: () => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000,
    background: (effect) => Fiber.runIn(run(effect), scope),
    readsStreams: streams === "Manual"
  })
  // Finalizers run last to first: the endpoint counts as stopped before its connections end because of that, and the
  // queues end after the last disconnection has come.
  yield* Effect.addFinalizer(() => Effect.sync(() => connections.end()))
  const socket = yield* transport.bind({ ...config, localAddress, accept }, connections)
  connections.socket = socket
  yield* Effect.addFinalizer(() => Effect.sync(() => connections.stop()))
  return {
    config,
    localAddress: socket.address,
    contacts,
    connections,
    retrySchedule
  }
})
