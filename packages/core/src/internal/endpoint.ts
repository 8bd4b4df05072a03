/**
 * How an endpoint comes to be: the socket, the rooms behind it, the port mapping, the bootstrap, and the way down.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Equal from "effect/Equal"
import { identity } from "effect/Function"
import type * as NetAddress from "effect/net/NetAddress"
import { isInetAddress } from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { undiallable, unbindable } from "../Address.ts"
import * as Bootstrap from "../Bootstrap.ts"
import type { ClientEndpointError } from "../ClientEndpointError.ts"
import type { Connection } from "../Connection.ts"
import { type ConnectionError, EndpointStopped, InvalidAddress, NoneReachable } from "../ConnectionError.ts"
import { ConnectionId } from "../ConnectionId.ts"
import * as ConnectionPool from "../ConnectionPool.ts"
import type { Address, Endpoint, Options, SendOptions } from "../Endpoint.ts"
import * as EndpointConfig from "../EndpointConfig.ts"
import { EndpointConfigError, type EndpointError, BindError } from "../EndpointError.ts"
import { InvalidArgument, ofValue, unless, untyped } from "../InvalidArgument.ts"
import type { Mapping, PortMapper } from "../PortMapper.ts"
import { isTransient, isTransientLoss, RetrySchedule } from "../RetrySchedule.ts"
import { ConnectionLost, NotConnected, type SendError } from "../SendError.ts"
import { type NetworkInterface, Transport } from "../Transport.ts"
import * as WireMessage from "../WireMessage.ts"
import * as address from "./address.ts"
import * as args from "./arguments.ts"
import { refusedOptions, wrongPriority } from "./connection/sendArguments.ts"
import { inScope } from "./inScope.ts"
import { localAddresses } from "./localAddresses.ts"
import { naming } from "./naming.ts"
import * as portMapping from "./portMapping.ts"
import { publicAddress } from "./publicAddress.ts"
import type { ConnectionImpl } from "./connection/connection.ts"
import { Connections } from "./connections.ts"

type Service = Endpoint["Service"]

const defaultLocalAddress = "0.0.0.0:0"

export const make = (
  options: Options = {}
): Effect.Effect<Service, EndpointError, Scope.Scope | Transport | PortMapper> =>
  Effect.flatMap(Bootstrap.make, (bootstrap) => start(options, { open: ConnectionPool.make }, bootstrap))

export const makeWithServices = Effect.fnUntraced(function* (options: Options = {}) {
  const pools = yield* ConnectionPool.ConnectionPool
  const bootstrap = yield* Bootstrap.Bootstrap
  return yield* start(options, pools, bootstrap)
})

export const makeClient = (
  options: Options = {}
): Effect.Effect<Service, ClientEndpointError, Scope.Scope | Transport> =>
  Effect.flatMap(Bootstrap.make, (bootstrap) =>
    inScope((close) =>
      Effect.gen(function* () {
        const node = yield* open(options, { open: ConnectionPool.make }, bootstrap, false)
        return yield* bootstrapped(node, close, Option.none(), (contacts, _, reachAny) =>
          Effect.map(contacts.length === 0 ? Effect.succeedNone : reachAny(contacts), (contact) => ({
            publicAddress: localAddresses(node.localAddress, node.connections.interfaces)[0],
            contact: Option.map(contact, ({ address }) => address)
          }))
        )
      })
    )
  )

const start = (
  options: Options,
  pools: ConnectionPool.ConnectionPool["Service"],
  bootstrap: Bootstrap.Bootstrap["Service"]
): Effect.Effect<Service, EndpointError, Scope.Scope | Transport | PortMapper> =>
  inScope((close) =>
    Effect.gen(function* () {
      const node = yield* open(options, pools, bootstrap, true)
      const { config, connections, localAddress } = node
      const mapping = yield* portMapping.open(config, localAddress)
      return yield* bootstrapped(node, close, mapping, (contacts, known, reachAny) =>
        bootstrap.run(
          {
            config,
            localAddress,
            localAddresses: localAddresses(localAddress, connections.interfaces),
            mapped: portMapping.externalOf(mapping),
            known,
            reachAny
          },
          contacts
        )
      )
    })
  )

/** A bound socket and everything behind it, not yet bootstrapped. */
interface Node {
  readonly config: EndpointConfig.EndpointConfig
  readonly localAddress: NetAddress.InetAddress
  readonly contacts: ReadonlyArray<NetAddress.InetAddress>
  readonly connections: Connections
  readonly retrySchedule: (retryDuration: Duration.Duration) => Schedule.Schedule<unknown>
  readonly connectToAny: Service["connectToAny"]
}

const open = Effect.fnUntraced(function* (
  options: Options,
  pools: ConnectionPool.ConnectionPool["Service"],
  bootstrap: Bootstrap.Bootstrap["Service"],
  accept: boolean
): Effect.fn.Return<Node, EndpointConfigError | BindError, Scope.Scope | Transport> {
  const scope = yield* Effect.scope
  const given = yield* read(options)
  const { config } = given
  const transport = yield* Transport
  const interfaces = transport.interfaces ?? (() => [])
  const localAddress = yield* option("localAddress", resolve(given.localAddress, interfaces))
  const contacts = yield* Effect.forEach(given.contacts, (contact, i) =>
    option(`contacts.${i}`, resolvePeer(contact, interfaces))
  )
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
    nameOf: naming(namer, (warning) => Fiber.runIn(run(Effect.logError(warning)), scope)),
    respond: bootstrap.respond,
    now: () => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000,
    background: (effect) => Fiber.runIn(run(effect), scope)
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
    retrySchedule,
    connectToAny: (peers) => Effect.map(firstToAnswer(connections, peers), ({ connection }) => connection)
  }
})

const optionNames: args.Fields = {
  localAddress: () => undefined,
  contacts: args.optional(args.list),
  config: () => undefined
}

/** Only what is undefined has its default: whoever says anything else means something by it. */
const read = Effect.fnUntraced(function* (options: Options) {
  const problem = args.problemOf(options, optionNames)
  if (problem !== undefined) return yield* new EndpointConfigError(problem)
  const { config = {}, contacts = [], localAddress = defaultLocalAddress } = options
  return {
    config: yield* Effect.mapError(EndpointConfig.decode(config), (error) =>
      error.path === "" ? new EndpointConfigError({ path: "config", detail: error.detail }) : error
    ),
    localAddress,
    contacts
  }
})

/** A policy that programs provide. */
const callback = <F>(path: string, value: F): Effect.Effect<F, EndpointConfigError> => {
  const detail = args.problemWith(args.func, value)
  return detail === undefined ? Effect.succeed(value) : Effect.fail(new EndpointConfigError({ path, detail }))
}

const resolve = (input: Address, interfaces: () => ReadonlyArray<NetworkInterface>) =>
  Effect.fromResult(address.resolve(input, interfaces))

/** One that can be dialled. */
const resolvePeer = (input: Address, interfaces: () => ReadonlyArray<NetworkInterface>) =>
  Effect.flatMap(resolve(input, interfaces), (peer) => {
    const detail = undiallable(peer, interfaces)
    return detail === undefined
      ? Effect.succeed(peer)
      : Effect.fail(new InvalidAddress({ input: String(input), detail }))
  })

const option = (
  path: string,
  resolved: Effect.Effect<NetAddress.InetAddress, InvalidAddress>
): Effect.Effect<NetAddress.InetAddress, EndpointConfigError> =>
  Effect.mapError(resolved, ({ input, detail }) => new EndpointConfigError({ path, detail: `${input}: ${detail}` }))

/** The first to answer, and which of `peers` that was. */
const firstToAnswer = <P extends Address>(connections: Connections, peers: ReadonlyArray<P>) =>
  Effect.suspend((): Effect.Effect<{ readonly peer: P; readonly connection: Connection }, NoneReachable> => {
    const attempts: Array<{ readonly peer: Address; readonly error: ConnectionError }> = []
    let failed = 0
    if (!Array.isArray(peers)) {
      const error = notList(peers)
      return Effect.fail(new NoneReachable({ attempts: [{ peer: error.input, error }] }))
    }
    if (peers.length === 0) return Effect.fail(new NoneReachable({ attempts: [] }))
    return Effect.raceAllFirst(
      // Places that nothing was put in count as well.
      Array.from(peers, (peer: P, i) =>
        connectOnce(connections, peer).pipe(
          Effect.map((connection) => ({ peer, connection })),
          Effect.catch((error) => {
            attempts[i] = { peer: typeof peer === "string" || isInetAddress(peer) ? peer : args.show(peer), error }
            failed += 1
            // The last to fail speaks for all; until then the others may still get through.
            return failed === peers.length ? Effect.fail(new NoneReachable({ attempts })) : Effect.never
          })
        )
      )
    )
  })

const notList = (given: unknown): InvalidAddress =>
  new InvalidAddress({ input: args.show(given), detail: "peers must be an array of addresses" })

/** Over a connection of the pool's. */
const sendOnce = (connection: Connection, payload: Uint8Array, options: SendOptions | undefined) =>
  (connection as ConnectionImpl).deliver(payload, options, true)

const connectOnce = (connections: Connections, peer: Address) =>
  Effect.suspend(() => {
    const resolved = connections.resolve(peer)
    if (Result.isFailure(resolved)) return Effect.fail(resolved.failure)
    if (connections.stopped()) return Effect.fail(new EndpointStopped())
    return connections.connect(resolved.success)
  })

/** Finds the endpoint's place: `known` is the public address that was found before. */
type Run<E> = (
  contacts: ReadonlyArray<NetAddress.InetAddress>,
  known: Option.Option<NetAddress.InetAddress>,
  reachAny: Bootstrap.Node["reachAny"]
) => Effect.Effect<Bootstrap.Outcome, E>

/** Bootstraps for the first time, and makes the service that can do so again. */
const bootstrapped = Effect.fnUntraced(function* <E extends Bootstrap.BootstrapError>(
  node: Node,
  close: Effect.Effect<void>,
  mapping: Option.Option<Mapping>,
  run: Run<E>
): Effect.fn.Return<Service, E, Scope.Scope> {
  const { connections } = node

  const reach = (contacts: ReadonlyArray<NetAddress.InetAddress>) =>
    Effect.map(firstToAnswer(connections, contacts), ({ connection, peer }) =>
      Option.some<Bootstrap.Contact>({
        address: peer,
        get remoteAddress() {
          return connection.remoteAddress
        },
        ask: (question) => connections.ask(connection, question)
      })
    )

  /** Dials end a moment before the endpoint counts as stopped: then it is not the contacts that do not answer. */
  const reachUntilStopped: Bootstrap.Node["reachAny"] = (contacts) =>
    Effect.catch(reach(contacts), ({ attempts }) =>
      attempts.some(({ error }) => error._tag === "EndpointStopped") ? Effect.never : Effect.succeedNone
    )

  const turns = yield* Semaphore.make(1)
  const place: { latest: Bootstrap.Outcome } = {
    latest: yield* run(node.contacts, Option.none(), (contacts) =>
      Effect.catch(reach(contacts), () => Effect.succeedNone)
    )
  }

  const again = (contacts: ReadonlyArray<NetAddress.InetAddress>) =>
    Effect.suspend(() =>
      Effect.map(run(contacts, Option.some(place.latest.publicAddress), reachUntilStopped), (outcome) => {
        place.latest = outcome
        return outcome
      })
    )

  const bootstrap = Effect.fnUntraced(function* (contacts?: ReadonlyArray<Address>) {
    if (connections.stopped()) return yield* new EndpointStopped()
    if (contacts !== undefined && !Array.isArray(contacts)) return yield* notList(contacts)
    const resolved =
      contacts === undefined
        ? node.contacts
        : yield* Effect.forEach(contacts, (contact) => resolvePeer(contact, connections.interfaces))
    return yield* Effect.raceFirst(turns.withPermit(again(resolved)), connections.untilStopped)
  })

  if (Option.isSome(mapping)) {
    let before = mapping.value.external
    yield* Effect.forkScoped(
      portMapping.follow(mapping.value, (external) => {
        const { latest } = place
        // The endpoint moves with its port, if that is what its address is, or there was none to be had elsewhere.
        const moved =
          undiallable(before) === undefined
            ? Equal.equals(latest.publicAddress, publicAddress(node.config, before))
            : Option.isNone(latest.contact)
        before = external
        if (moved && undiallable(external) === undefined)
          place.latest = { ...latest, publicAddress: publicAddress(node.config, external) }
      })
    )
  }
  return serviceOf(node, close, mapping, place, bootstrap)
})

/** What to do about a peer that has no address: where nobody can be at some text, nothing is to be done. */
const unreadable =
  <A>(peer: Address, nothing: Effect.Effect<A>) =>
  ({ input, detail }: InvalidAddress): Effect.Effect<A> =>
    typeof peer === "string"
      ? nothing
      : untyped(new InvalidArgument({ argument: "peer", detail: `must be an address, got ${input}: ${detail}` }))

const scheduleOf = (
  policy: Node["retrySchedule"],
  duration: Duration.Duration
): Schedule.Schedule<unknown> | InvalidArgument => {
  let made: unknown
  try {
    made = policy(duration)
  } catch (error) {
    made = error
  }
  if (Schedule.isSchedule(made)) return made as Schedule.Schedule<unknown>
  const detail = `must make a Schedule, got ${args.show(made)}`
  return made instanceof InvalidArgument ? made : new InvalidArgument({ argument: "RetrySchedule", detail })
}

const serviceOf = (
  node: Node,
  close: Effect.Effect<void>,
  mapping: Option.Option<Mapping>,
  place: { readonly latest: Bootstrap.Outcome },
  bootstrap: Service["bootstrap"]
): Service => {
  const { config, connections } = node
  const { pool } = connections

  /** Runs `body` with the address, or `otherwise` when there is none in `peer`. */
  const withAddress = <A, E>(
    peer: Address,
    body: (resolved: NetAddress.InetAddress) => Effect.Effect<A, E>,
    otherwise: (error: InvalidAddress) => Effect.Effect<A, E>
  ): Effect.Effect<A, E> =>
    Effect.suspend(() => {
      const resolved = connections.resolve(peer)
      return Result.isSuccess(resolved) ? body(resolved.success) : otherwise(resolved.failure)
    })

  const lost = (error: ConnectionError) => new ConnectionLost({ reason: error })

  /** Tries again while that may help, and while the endpoint lives: the waits between can be long. */
  const retrying = <A, E>(
    effect: Effect.Effect<A, E>,
    duration: Duration.Duration,
    isWorthIt: (error: E) => boolean,
    failure: (error: EndpointStopped | InvalidArgument) => E
  ): Effect.Effect<A, E> => {
    if (Duration.isZero(duration)) return effect
    const schedule = scheduleOf(node.retrySchedule, duration)
    if (!Schedule.isSchedule(schedule)) return Effect.fail(failure(schedule))
    return Effect.raceFirst(
      Effect.retry(effect, { while: isWorthIt, schedule }),
      Effect.mapError(connections.untilStopped, failure)
    )
  }

  const connectTo: Service["connectTo"] = (peer) =>
    withAddress<Connection, ConnectionError>(
      peer,
      (resolved) => {
        const connection = connections.current(resolved)
        return connection === undefined
          ? retrying(connectOnce(connections, resolved), config.retryDuration, isTransient, identity)
          : Effect.succeed(connection)
      },
      Effect.fail
    )

  /**
   * A connection in place of `lost`. What was dialled may be where new connections are taken, and what answered not, as
   * with a virtual address; so that goes first, and the address that was asked for second.
   */
  const redial = (peer: NetAddress.InetAddress, lost?: Connection): Effect.Effect<Connection, ConnectionError> => {
    const dialled = Option.getOrElse(lost?.dialledAddress ?? Option.none(), () => peer)
    return Equal.equals(dialled, peer)
      ? connectOnce(connections, peer)
      : Effect.catch(connectOnce(connections, dialled), (error) =>
          isTransient(error) ? connectOnce(connections, peer) : Effect.fail(error)
        )
  }

  const sendAnew = (
    payload: Uint8Array,
    connect: Effect.Effect<Connection, ConnectionError>,
    options: SendOptions | undefined
  ): Effect.Effect<void, SendError> => {
    // No dial for a message that no connection would take.
    const invalid = WireMessage.checkPayload(payload, config.maxMessageSize)
    if (invalid !== undefined) return Effect.fail(invalid)
    const duration = Option.getOrElse(args.durationOf(options?.retryDuration), () => config.retryDuration)
    const once: Effect.Effect<void, SendError> = Effect.flatMap(Effect.mapError(connect, lost), (connection) =>
      sendOnce(connection, payload, options)
    )
    return retrying(once, duration, isTransientLoss, lost)
  }

  return {
    localAddress: node.localAddress,
    get localAddresses() {
      return localAddresses(node.localAddress, connections.interfaces)
    },
    get publicAddress() {
      return place.latest.publicAddress
    },
    portMapping: mapping,
    get bootstrapContact() {
      return place.latest.contact
    },
    incomingConnections: connections.incoming.stream,
    incomingMessages: connections.messages.stream,
    disconnections: connections.disconnections.stream,
    nextConnection: connections.incoming.take,
    nextMessage: connections.messages.take,
    nextDisconnection: connections.disconnections.take,
    connectTo,
    connectToAny: node.connectToAny,
    isReachable: (peer) =>
      withAddress(
        peer,
        (resolved) => connections.probe(resolved),
        (error) => Effect.fail(new ConnectionLost({ reason: error }))
      ),
    bootstrap,
    disconnectFrom: (peer) =>
      withAddress(
        peer,
        (resolved) =>
          Effect.forEach(connections.all(resolved), (connection) => connection.close, {
            concurrency: "unbounded",
            discard: true
          }),
        unreadable(peer, Effect.void)
      ),
    connectionId: (peer) =>
      withAddress(
        peer,
        (resolved) => Effect.sync(() => Option.fromUndefinedOr(connections.current(resolved)?.id)),
        unreadable(peer, Effect.succeedNone)
      ),
    addressOf: (id) =>
      unless(
        () => ofValue("id", id, args.text),
        () => Effect.sync(() => Option.map(pool.byId(id), (connection) => connection.remoteAddress))
      ),
    openBidirectionalStream: (peer, options) => {
      const wrong = wrongPriority(options)
      return wrong === undefined
        ? Effect.flatMap(connectTo(peer), (connection) => connection.openBi(options))
        : Effect.fail(wrong)
    },
    trySendMessage: (payload, peer, options) =>
      withAddress<void, NotConnected | SendError>(
        peer,
        (resolved) => {
          const connection = connections.current(resolved)
          if (connection !== undefined) return connection.send(payload, options)
          const invalid =
            refusedOptions(options, args.priorityOptions) ?? WireMessage.checkPayload(payload, config.maxMessageSize)
          return Effect.fail(invalid ?? new NotConnected({ peer: resolved }))
        },
        (error) => Effect.fail(lost(error))
      ),
    sendMessage: (payload, peer, options) =>
      withAddress<void, SendError>(
        peer,
        (resolved) => {
          const refused = refusedOptions(options, args.sendOptions)
          if (refused !== undefined) return Effect.fail(refused)
          const connection = connections.current(resolved)
          if (connection === undefined) return sendAnew(payload, redial(resolved), options)
          return Effect.catch(sendOnce(connection, payload, options), (error) =>
            isTransientLoss(error) ? sendAnew(payload, redial(resolved, connection), options) : Effect.fail(error)
          )
        },
        (error) => Effect.fail(lost(error))
      ),
    close
  }
}
