/**
 * Collects the findings for the verdict, as concurrently as possible: the machine, its router, a trial mapping, and
 * what each contact sees and reaches.
 *
 * A contact that dials the socket that asked it proves nothing, because every router lets answers in. So the examined
 * socket never sends to the contact, and another socket asks the contact to dial it.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Address from "@qp2p/core/Address"
import * as Bootstrap from "@qp2p/core/Bootstrap"
import * as ConnectionPool from "@qp2p/core/ConnectionPool"
import * as Endpoint from "@qp2p/core/Endpoint"
import type { EndpointError } from "@qp2p/core/EndpointError"
import type { Identity } from "@qp2p/core/Identity"
import type { PeerAddress } from "@qp2p/core/PeerAddress"
import type { PeerId } from "@qp2p/core/PeerId"
import { PortMapper } from "@qp2p/core/PortMapper"
import { Transport } from "@qp2p/core/Transport"
import type { ControlMessage, WireMessage } from "@qp2p/core/WireMessage"
import type * as HomeRouter from "@qp2p/upnp/HomeRouter"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { oneLine } from "../Failure.ts"
import { describe, peerErrorOf } from "../PeerFailure.ts"
import { reasonOf } from "../PortForwarding.ts"
import { Machine } from "./Machine.ts"
import { type Contact, type DialBack, type Findings, kindOf, type Mapping } from "./Report.ts"

/**
 * The arguments of `gather`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The address to examine. */
  readonly listen: NetAddress.InetAddress
  /** The peers that examine it. */
  readonly contacts: ReadonlyArray<PeerAddress>
  /** The key of this peer. A contact verifies an address for the peer that asks, so every endpoint here has the same key. */
  readonly identity: Identity
}

/**
 * How long each step may take. The sequence of `map` and `dialBack`, or that of `reach`, `echo` and `dialBack`, plus 3
 * seconds to unmap, is shorter than 20 seconds. A contact needs 5 seconds to report that it cannot reach an address; a
 * failed dial may be noticed up to 2 seconds late.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const limits = {
  router: Duration.seconds(6),
  map: Duration.seconds(9),
  dial: Duration.seconds(4),
  reach: Duration.seconds(6),
  echo: Duration.seconds(3),
  dialBack: Duration.millis(6_500),
  /** How long this process needs to see a dial that the contact reports. */
  dialled: Duration.millis(500)
} as const

/** Short, so that the mapping expires soon when this process is killed. */
const lease = Duration.minutes(2)

/** Why a step failed: the name of the error, and a line for people. */
class Problem extends Schema.TaggedError<Problem>("@qp2p/cli/doctor/Problem")("Problem", {
  error: Schema.String,
  detail: Schema.String
}) {}

const problem = (error: { readonly _tag: string; readonly message: string }): Problem =>
  new Problem({ error: error._tag, detail: oneLine(error.message === "" ? error._tag : error.message) })

const within =
  (limit: Duration.Duration, what: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.timeoutOrElse(effect, {
      duration: limit,
      orElse: () =>
        Effect.fail(new Problem({ error: "TimedOut", detail: `${what} within ${Duration.toSeconds(limit)} s` }))
    })

const at = (address: NetAddress.InetAddress, port: number): NetAddress.InetAddress =>
  NetAddress.inetAddressFromInputUnsafe({
    address: address.address,
    port,
    scopeId: NetAddress.isInetAddressV6(address) ? address.scopeId : 0
  })

/**
 * Collects the findings within `limits`. It fails only when `listen` cannot be bound. The trial mapping is removed at
 * the end.
 *
 * @stability unstable
 * @category running
 * @since 0.1.0
 */
export const gather = (options: Options): Effect.Effect<Findings, EndpointError, Machine | Transport | PortMapper> =>
  Effect.scoped(gatherScoped(options))

const gatherScoped = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Findings, EndpointError, Machine | Transport | PortMapper | Scope.Scope> {
  const machine = yield* Machine
  const { identity } = options
  const plain = yield* listenAt(options.listen, identity)
  const { address: listen } = plain
  const mapping = yield* Deferred.make<Mapped>()
  const found = yield* Effect.all(
    {
      interfaces: machine.interfaces,
      outbound: machine.outbound(NetAddress.familyOf(listen)),
      router: NetAddress.isLoopback(listen.address)
        ? Effect.succeedNone
        : Effect.timeoutOption(machine.router, limits.router),
      mapped: Effect.tap(tryMapping(listen, identity), (outcome) => Deferred.succeed(mapping, outcome)),
      contacts: Effect.forEach(
        options.contacts,
        (contact) => examine({ contact, plain, identity, mapping: Deferred.await(mapping) }),
        { concurrency: "unbounded" }
      )
    },
    { concurrency: "unbounded" }
  )
  return {
    listen,
    interfaces: found.interfaces.map(({ address, name }) => ({ name, address, kind: kindOf(address) })),
    outbound: found.outbound,
    ...Option.match(found.router, {
      onNone: () => ({ gateway: Option.none(), protocols: [] }),
      onSome: routerOf
    }),
    mapping: found.mapped.mapping,
    contacts: found.contacts
  }
})

const routerOf = ({ gateway, protocols }: HomeRouter.Diagnosis): Pick<Findings, "gateway" | "protocols"> => ({
  gateway,
  protocols: protocols.map(({ by, outcome, protocol, version }) => ({
    protocol,
    by,
    // The router chooses this text.
    version: Option.map(version, oneLine),
    outcome: Result.match(outcome, {
      onSuccess: ({ external }) => ({ _tag: "Spoken" as const, external, kind: kindOf(external) }),
      onFailure: (error) => ({ _tag: "Failed" as const, error: error._tag, detail: oneLine(error.message) })
    })
  }))
})

/** A socket under examination. It sends only answers. */
interface Target {
  readonly address: NetAddress.InetAddress
  /** Succeeds when a peer has dialled the socket. */
  readonly dialled: Effect.Effect<void>
}

const listenAt = Effect.fnUntraced(function* (localAddress: NetAddress.InetAddress, identity: Identity) {
  const transport = yield* Transport
  const dialled = yield* Deferred.make<void>()
  // An endpoint does not announce the connections that verify its address, so the transport reports them.
  const observed = Transport.of({
    ...transport,
    bind: (options, events) =>
      transport.bind(options, {
        onHandshake: events.onHandshake && ((peer, decide) => events.onHandshake!(peer, decide)),
        onConnection: (connection) => {
          Deferred.doneUnsafe(dialled, Effect.void)
          return events.onConnection(connection)
        }
      })
  })
  const endpoint = yield* Effect.provideService(Endpoint.make({ localAddress, identity }), Transport, observed)
  return { address: endpoint.localAddress, dialled: Deferred.await(dialled) }
})

/** The result of the trial mapping, and the socket behind it. */
interface Mapped {
  readonly mapping: Mapping
  readonly target: Option.Option<Target>
}

/**
 * Maps a socket of its own, because `listen` is examined without a mapping. The mapping lives until the scope closes.
 */
const tryMapping = Effect.fnUntraced(
  function* (listen: NetAddress.InetAddress, identity: Identity) {
    const detail = NetAddress.isInetAddressV6(listen)
      ? "over IPv6 no port is mapped"
      : NetAddress.isLoopback(listen.address)
        ? "for a loopback address no port is mapped"
        : undefined
    if (detail !== undefined) return { mapping: { _tag: "Skipped", detail }, target: Option.none() } as const
    const mapper = yield* PortMapper
    const target = yield* Effect.mapError(listenAt(at(listen, 0), identity), problem)
    const { external, internal } = yield* mapper.map({ internal: target.address, lease }).pipe(
      Effect.mapError((error) => new Problem({ error: error._tag, detail: reasonOf(error) })),
      within(limits.map, "the router did not map a port")
    )
    const mapping = { _tag: "Mapped", internal, external, kind: kindOf(external.address) } as const
    return { mapping, target: Option.some(target) }
  },
  Effect.catch(({ error, detail }) =>
    Effect.succeed<Mapped>({ mapping: { _tag: "Failed", error, detail }, target: Option.none() })
  )
)

/** What `examine` needs: whom to ask, about which sockets. */
interface Examination {
  readonly contact: PeerAddress
  readonly plain: Target
  readonly mapping: Effect.Effect<Mapped>
  readonly identity: Identity
}

const examine = ({
  contact,
  identity,
  mapping,
  plain
}: Examination): Effect.Effect<Contact, never, Transport | PortMapper> =>
  Effect.gen(function* () {
    const reached = reach(contact, at(plain.address, 0), identity)
    const { ask, peerId } = yield* reached
    const seen = yield* echo(ask).pipe(within(limits.echo, "it did not tell our address"))
    const mapped = Effect.flatMap(mapping, ({ mapping, target }) =>
      mapping._tag === "Mapped" && Option.isSome(target)
        ? // For what one connection has cost this side, a contact looks for one address only.
          Effect.matchEffect(reached, {
            onFailure: (problem) => Effect.succeed(noAnswer(mapping.external)(problem)),
            onSuccess: ({ ask }) => dialBack(ask, mapping.external, target.value)
          })
        : Effect.succeed<DialBack>({ _tag: "NotTried", detail: "no port is mapped" })
    )
    const asIs = dialBack(ask, at(seen, plain.address.port), plain)
    const dialBacks = yield* Effect.all({ asIs, mapped }, { concurrency: "unbounded" })
    return { _tag: "Answered" as const, peerId, seen, kind: kindOf(seen.address), ...dialBacks }
  }).pipe(
    Effect.catch(({ error, detail }) => Effect.succeed({ _tag: "Silent" as const, error, detail })),
    Effect.map((outcome) => ({ peer: contact, outcome })),
    Effect.scoped
  )

type Ask = (question: ControlMessage) => Effect.Effect<WireMessage, Problem>

/**
 * An endpoint's bootstrap would let the contact dial the asking socket. This bootstrap only returns the function that
 * asks, and which peer the contact is.
 */
const reach = Effect.fnUntraced(function* (
  contact: PeerAddress,
  localAddress: NetAddress.InetAddress,
  identity: Identity
): Effect.fn.Return<{ readonly ask: Ask; readonly peerId: PeerId }, Problem, Scope.Scope | Transport | PortMapper> {
  const { respond } = yield* Bootstrap.make
  const reached = yield* Deferred.make<Bootstrap.Contact>()
  const layer = Endpoint.layerWithoutDependencies({
    localAddress,
    identity,
    config: { retryDuration: 0, handshakeTimeout: limits.dial, rpcTimeout: limits.dialBack }
  }).pipe(
    Layer.provide([
      ConnectionPool.layer,
      Layer.succeed(Bootstrap.Bootstrap, {
        respond,
        run: ({ localAddress: publicAddress, reachAny }, contacts) =>
          reachAny(contacts).pipe(
            Effect.tap((found) => (Option.isSome(found) ? Deferred.succeed(reached, found.value) : Effect.void)),
            Effect.map((found) => ({ publicAddress, contact: Option.map(found, ({ listed }) => listed) }))
          )
      })
    ])
  )
  const problemOf = (error: { readonly _tag: string; readonly message: string }) =>
    new Problem({ error: (peerErrorOf(error) ?? error)._tag, detail: describe(error, identity.peerId) })
  const ask = Effect.gen(function* () {
    const asker = Context.get(yield* Layer.build(layer), Endpoint.Endpoint)
    // Bootstrapping does not report why a contact is not reached. Dialling does, and leaves a connection for it.
    yield* asker.connectTo(contact)
    yield* asker.bootstrap([contact])
    const { ask, peerId } = yield* Deferred.await(reached)
    return { ask: (question: ControlMessage) => Effect.mapError(ask(question), problem), peerId }
  })
  return yield* ask.pipe(Effect.mapError(problemOf), within(limits.reach, "it did not answer"))
})

const unexpected = (answer: WireMessage) =>
  new Problem({ error: "SerializationError", detail: `a ${answer._tag} answers another question` })

const echo = (ask: Ask): Effect.Effect<NetAddress.InetAddress, Problem> =>
  Effect.flatMap(ask({ _tag: "EndpointEchoReq" }), (answer) => {
    if (answer._tag !== "EndpointEchoResp") return Effect.fail(unexpected(answer))
    const detail = Address.undiallable(answer.address)
    return detail === undefined
      ? Effect.succeed(NetAddress.toCanonical(answer.address))
      : Effect.fail(new Problem({ error: "SerializationError", detail: `it says ${answer.address}, but ${detail}` }))
  })

const noAnswer =
  (at: NetAddress.InetAddress) =>
  ({ detail, error }: Problem): DialBack => ({ _tag: "NoAnswer", at, error, detail })

const dialBack = (ask: Ask, address: NetAddress.InetAddress, target: Target): Effect.Effect<DialBack> =>
  ask({ _tag: "EndpointVerificationReq", address }).pipe(
    Effect.flatMap((answer) =>
      answer._tag === "EndpointVerificationResp" ? Effect.succeed(answer.reachable) : Effect.fail(unexpected(answer))
    ),
    Effect.flatMap((reachable) =>
      reachable
        ? // The router may forward this port to another machine, where a peer answers as well.
          Effect.map(
            Effect.timeoutOption(target.dialled, limits.dialled),
            Option.match({ onNone: () => "Elsewhere" as const, onSome: () => "Reached" as const })
          )
        : Effect.succeed("NotReached" as const)
    ),
    within(limits.dialBack, "it did not say whether it gets through"),
    Effect.match({
      onSuccess: (_tag): DialBack => ({ _tag, at: address }),
      onFailure: noAnswer(address)
    })
  )
