/**
 * The state of an endpoint before bootstrapping: its configuration, its bound socket and its connections.
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as AddressResolver from "effect/net/AddressResolver"
import type * as NetAddress from "effect/net/NetAddress"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { unbindable } from "../../Address.ts"
import type * as Bootstrap from "../../Bootstrap.ts"
import { ConnectionId } from "../../ConnectionId.ts"
import type * as ConnectionPool from "../../ConnectionPool.ts"
import type { Options } from "../../Endpoint.ts"
import type * as EndpointConfig from "../../EndpointConfig.ts"
import { BindError, type EndpointConfigError, type IdentityError } from "../../EndpointError.ts"
import type { PeerAddress } from "../../PeerAddress.ts"
import { PeerPolicy } from "../../PeerPolicy.ts"
import type { Identity } from "../../Identity.ts"
import { RetrySchedule } from "../../RetrySchedule.ts"
import { Transport } from "../../Transport.ts"
import { Connections } from "./connections.ts"
import { idGenerator } from "./idGenerator.ts"
import { lookUpWith } from "./names.ts"
import { callback, read, readIdentity } from "./options.ts"

/** The state of an endpoint before bootstrapping. */
export interface EndpointState {
  readonly config: EndpointConfig.EndpointConfig
  readonly identity: Identity
  readonly localAddress: NetAddress.InetAddress
  readonly contacts: ReadonlyArray<PeerAddress>
  readonly connections: Connections
  readonly retrySchedule: (retryDuration: Duration.Duration) => Schedule.Schedule<unknown>
}

/** Reads the options and binds the socket. */
export const open = Effect.fnUntraced(function* (
  options: Options,
  pools: ConnectionPool.ConnectionPool["Service"],
  bootstrap: Bootstrap.Bootstrap["Service"],
  accept: boolean
): Effect.fn.Return<EndpointState, EndpointConfigError | IdentityError | BindError, Scope.Scope | Transport> {
  const scope = yield* Effect.scope
  const transport = yield* Transport
  const interfaces = transport.interfaces ?? (() => [])
  const { config, contacts, localAddress, streams } = yield* read(options, interfaces)
  const detail = unbindable(localAddress)
  if (detail !== undefined) return yield* new BindError({ address: localAddress, detail, cause: new Error(detail) })
  const identity = yield* readIdentity(options)
  const clock = yield* Clock.Clock
  const run = Effect.runForkWith(yield* Effect.context())
  const generateId = yield* callback("ConnectionId", yield* ConnectionId)
  const retrySchedule = yield* callback("RetrySchedule", yield* RetrySchedule)
  const connections = new Connections({
    config,
    lookUpName: lookUpWith(yield* Effect.serviceOption(AddressResolver.AddressResolver)),
    policy: yield* callback("PeerPolicy", yield* PeerPolicy),
    interfaces,
    pool: yield* pools.open,
    idOf: idGenerator(generateId, (warning) => void Fiber.runIn(run(Effect.logError(warning)), scope)),
    respond: bootstrap.respond,
    now: () => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000,
    background: (effect) => Fiber.runIn(run(effect), scope),
    readsStreams: streams === "Manual"
  })
  // Finalizers run in reverse order: the endpoint is marked as stopped before its connections end, and the queues end after
  // the last disconnection.
  yield* Effect.addFinalizer(() => Effect.sync(() => connections.queues.end()))
  const socket = yield* transport.bind({ ...config, localAddress, identity, accept }, connections)
  connections.socket = socket
  yield* Effect.addFinalizer(() => Effect.sync(() => connections.stop()))
  return {
    config,
    identity,
    localAddress: socket.address,
    contacts,
    connections,
    retrySchedule
  }
})
