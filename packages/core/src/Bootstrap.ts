/**
 * Finds an endpoint's public address through its contacts, and answers the same questions of peers.
 *
 * An endpoint reaches one contact, asks at which address the contact sees it (echo), and asks the contact to dial that
 * address (verification).
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Host from "effect/net/Host"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Schedule from "effect/Schedule"
import { undiallable } from "./Address.ts"
import type { EndpointConfig } from "./EndpointConfig.ts"
import { EndpointEchoError, EndpointVerificationError, Unreachable } from "./EndpointError.ts"
import { withScope } from "./internal/localAddresses.ts"
import { publicAddress } from "./internal/publicAddress.ts"
import { VerificationLimits } from "./internal/verificationLimits.ts"
import {
  check,
  type Fields,
  func,
  inetAddress,
  isRecord,
  ofFields,
  ofValue,
  oneOf,
  text,
  unless,
  untyped
} from "./InvalidArgument.ts"
import { isPeerAddress, type PeerAddress } from "./PeerAddress.ts"
import type { PeerId } from "./PeerId.ts"
import type { RpcError } from "./RpcError.ts"
import { SerializationError } from "./SendError.ts"
import type { ControlMessage, WireMessage } from "./WireMessage.ts"

/**
 * The errors of bootstrapping.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const BootstrapError = Schema.Union([EndpointEchoError, EndpointVerificationError, Unreachable])

/**
 * An error of bootstrapping.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type BootstrapError = typeof BootstrapError.Type

/**
 * The view of an endpoint that bootstrapping needs.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Node {
  /** The endpoint's own id. */
  readonly peerId: PeerId
  /** The endpoint's configuration. */
  readonly config: EndpointConfig
  /** The address that the socket is bound to. */
  readonly localAddress: NetAddress.InetAddress
  /**
   * The addresses at which the local network reaches the socket: those of the interfaces when the socket is bound to a
   * wildcard. The one that most peers can reach comes first.
   */
  readonly localAddresses: readonly [NetAddress.InetAddress, ...Array<NetAddress.InetAddress>]
  /** The external address that the gateway mapped; none without a port mapping. */
  readonly mapped: Option.Option<NetAddress.InetAddress>
  /** The public address that an earlier bootstrap found; none at the first. */
  readonly known: Option.Option<NetAddress.InetAddress>
  /** Dials all contacts at once and returns the first that answers; none when no contact answers. */
  readonly reachAny: (contacts: ReadonlyArray<PeerAddress>) => Effect.Effect<Option.Option<Contact>>
}

/**
 * A contact that was reached.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Contact {
  /** The contact as the caller listed it. */
  readonly listed: PeerAddress
  /** The id of the contact. */
  readonly peerId: PeerId
  /** The address that the contact answers from; it may differ from the dialled one. */
  readonly remoteAddress: NetAddress.InetAddress
  /** Sends the contact a control message and waits for the answer, up to `EndpointConfig.rpcTimeout`. */
  readonly ask: (question: ControlMessage) => Effect.Effect<WireMessage, RpcError>
}

/**
 * The result of bootstrapping: an endpoint's public address, and the contact that verified it.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Outcome {
  /** The address at which peers reach the endpoint. */
  readonly publicAddress: NetAddress.InetAddress
  /** The contact that verified the public address, as it was listed; none when no contact was reached. */
  readonly contact: Option.Option<PeerAddress>
}

/**
 * The peer that asks a question, as the answering endpoint sees it.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Asker {
  /** The address at which this endpoint sees the asker: the last one at which the asker has proven to receive. */
  readonly remoteAddress: NetAddress.InetAddress
  /**
   * Dials an address over a connection of its own and tells whether that succeeded. It answers well before the asker's
   * timeout, and sooner when the asker has sent little: dials that do not find the asker send at most three times as many bytes.
   */
  readonly isReachable: (address: NetAddress.InetAddress) => Effect.Effect<boolean>
}

/**
 * Finds an endpoint's public address through its contacts, and answers such questions of peers.
 *
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export class Bootstrap extends Context.Service<
  Bootstrap,
  {
    /** Bootstraps through the first contact that answers. The outcome has no contact when no contact answers. */
    readonly run: (node: Node, contacts: ReadonlyArray<PeerAddress>) => Effect.Effect<Outcome, BootstrapError>
    /**
     * Returns the answer to a peer's control message. It is none for a message that is not a question, and for a verification
     * that this endpoint is too busy for: the peer then gets no answer, which is not the answer no.
     */
    readonly respond: (asker: Asker, question: ControlMessage) => Effect.Effect<Option.Option<ControlMessage>>
  }
>()("@qp2p/core/Bootstrap") {}

/**
 * Makes the `Bootstrap` that speaks qp2p's protocol.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Bootstrap["Service"]> = Effect.gen(function* () {
  const limits = new VerificationLimits()

  /** Verifies an address for a peer. Returns none when too many verifications run, or the peer has asked for too many. */
  const verify = (asker: Asker, named: NetAddress.InetAddress): Effect.Effect<Option.Option<boolean>> => {
    // The wire carries no zones: a link-local address gets the zone of the asker's remote address.
    const claimed = inZoneOf(NetAddress.toCanonical(named), asker.remoteAddress)
    // A peer may have only its own IP address verified, so that it cannot make this endpoint dial a third party.
    if (!sameIp(asker.remoteAddress, claimed) || undiallable(claimed) !== undefined) return Effect.succeedSome(false)
    const { address } = asker.remoteAddress
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(monotonicMillis, (now) =>
        limits.begin(address, now)
          ? Effect.ensuring(
              Effect.asSome(restore(asker.isReachable(claimed))),
              Effect.sync(() => limits.end(address))
            )
          : Effect.succeedNone
      )
    )
  }

  return Bootstrap.of({
    run: (node, contacts) =>
      unless(
        () => ofFields("node", node, nodeFields) ?? ofValue("contacts", contacts, peers),
        () => run(node, contacts)
      ),
    respond: (asker, question) => {
      const wrong = ofFields("asker", asker, askerFields) ?? ofFields("question", question, questionFields)
      if (wrong !== undefined) return untyped(wrong)
      switch (question._tag) {
        case "EndpointEchoReq":
          return Effect.succeedSome({ _tag: "EndpointEchoResp", address: asker.remoteAddress })
        case "EndpointVerificationReq":
          if (!NetAddress.isInetAddress(question.address)) {
            return untyped(ofValue("question.address", question.address, inetAddress)!)
          }
          return Effect.map(
            verify(asker, question.address),
            Option.map((reachable): ControlMessage => ({ _tag: "EndpointVerificationResp", reachable }))
          )
        default:
          return Effect.succeedNone
      }
    }
  })
})

/**
 * Provides the `Bootstrap` that `make` makes.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Bootstrap> = Layer.effect(Bootstrap, make)

const record = check("must be an object", isRecord)
const option = check("must be an Option", Option.isOption)

const addresses = check(
  "must be an array of InetAddresses",
  (value) => Array.isArray(value) && Array.from<unknown>(value).every(NetAddress.isInetAddress)
)

const peers = check(
  "must be an array of PeerAddresses",
  (value) => Array.isArray(value) && Array.from<unknown>(value).every(isPeerAddress)
)

const nodeFields: Fields = {
  peerId: text,
  config: record,
  localAddress: inetAddress,
  localAddresses: addresses,
  mapped: option,
  known: option,
  reachAny: func
}

const askerFields: Fields = { remoteAddress: inetAddress, isReachable: func }

const questionFields: Fields = {
  _tag: oneOf("EndpointEchoReq", "EndpointEchoResp", "EndpointVerificationReq", "EndpointVerificationResp")
}

const run = Effect.fnUntraced(function* (
  node: Node,
  contacts: ReadonlyArray<PeerAddress>
): Effect.fn.Return<Outcome, BootstrapError> {
  let others = withoutSelf(node, contacts)
  while (others.length > 0) {
    const reached = yield* node.reachAny(others)
    if (Option.isNone(reached)) {
      yield* Effect.logWarning("no contact could be reached", others.map(String))
      break
    }
    const contact = reached.value
    // This endpoint itself, dialled by another of its addresses.
    const isMyself = contact.peerId === node.peerId
    const rest = others.filter((each) => !(isMyself && Equal.equals(each, contact.listed)))
    if (rest.length === others.length) {
      return yield* verified(node, contact, inZoneOf(yield* echo(contact), node.localAddress))
    }
    others = rest
  }
  return { publicAddress: publicAddressOf(node, node.known), contact: Option.none() }
})

/** Leaves out the endpoint's own addresses: all nodes of a network may share one list, and an endpoint cannot verify itself. */
const withoutSelf = (node: Node, contacts: ReadonlyArray<PeerAddress>) => {
  const own = [node.localAddress, ...node.localAddresses, ...Option.toArray(node.mapped), ...Option.toArray(node.known)]
  const texts = new Set(own.map(NetAddress.formatInet))
  return contacts.filter(({ addresses, peerId }) =>
    Option.isSome(peerId)
      ? peerId.value !== node.peerId
      : !addresses.every((each) => texts.has(Host.formatHostPort(each)))
  )
}

/** Asks a contact at which address it sees this endpoint. */
const echo = ({ ask, remoteAddress: peer }: Contact): Effect.Effect<NetAddress.InetAddress, EndpointEchoError> =>
  ask({ _tag: "EndpointEchoReq" }).pipe(
    Effect.flatMap((answer) => {
      if (answer._tag !== "EndpointEchoResp") return unexpected(answer)
      const detail = undiallable(answer.address)
      return detail === undefined
        ? Effect.succeed(NetAddress.toCanonical(answer.address))
        : Effect.fail(new SerializationError({ detail: `it says ${answer.address}, but ${detail}` }))
    }),
    Effect.mapError((error) => new EndpointEchoError({ peer, reason: error }))
  )

const verified = Effect.fnUntraced(function* (
  node: Node,
  { ask, listed, remoteAddress: peer }: Contact,
  seen: NetAddress.InetAddress
): Effect.fn.Return<Outcome, EndpointVerificationError | Unreachable> {
  const claimed = publicAddressOf(node, Option.some(seen))
  if (!same(seen, claimed)) {
    yield* Effect.logInfo(`contact ${peer} sees this endpoint at ${seen}; its public address is taken to be ${claimed}`)
  }
  const reachable = yield* ask({ _tag: "EndpointVerificationReq", address: claimed }).pipe(
    Effect.retry({ ...whileBusy, while: isBusy }),
    Effect.flatMap((answer) =>
      answer._tag === "EndpointVerificationResp" ? Effect.succeed(answer.reachable) : unexpected(answer)
    ),
    Effect.mapError((error) => new EndpointVerificationError({ peer, reason: error }))
  )
  if (!reachable) return yield* new Unreachable({ publicAddress: claimed })
  return { publicAddress: claimed, contact: Option.some(listed) }
})

/** When a contact is asked again that is too busy to verify an address: after 0.5, 1, 2 and 4 s. */
const whileBusy = { schedule: Schedule.exponential("500 millis"), times: 4 }

/** Tells whether a contact has ended the answer without a byte. */
const isBusy = (error: RpcError): boolean => error._tag === "StreamLost" && error.reason._tag === "StreamClosed"

const monotonicMillis = Effect.map(Clock.Clock, (clock) => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000)

/** Picks the public address. In order of precedence: configured, mapped by the gateway, seen by the contact, local. */
const publicAddressOf = (node: Node, seen: Option.Option<NetAddress.InetAddress>): NetAddress.InetAddress => {
  const { config, localAddresses, mapped } = node
  const found = Option.getOrElse(
    Option.orElse(mapped, () => seen),
    () => localAddresses[0]
  )
  return publicAddress(config, found)
}

const unexpected = (answer: WireMessage): Effect.Effect<never, SerializationError> =>
  Effect.fail(new SerializationError({ detail: `a ${answer._tag} answers another question` }))

/** Gives a link-local address without a zone the zone of `other`. */
const inZoneOf = (address: NetAddress.InetAddress, other: NetAddress.InetAddress): NetAddress.InetAddress =>
  NetAddress.isInetAddressV6(address) &&
  NetAddress.isInetAddressV6(other) &&
  NetAddress.isLinkLocal(address.address) &&
  address.scopeId === 0
    ? withScope(address, other.scopeId)
    : address

const same = (a: NetAddress.InetAddress, b: NetAddress.InetAddress): boolean =>
  NetAddress.formatInet(a) === NetAddress.formatInet(b)

const sameIp = (a: NetAddress.InetAddress, b: NetAddress.InetAddress): boolean =>
  NetAddress.formatIp(NetAddress.toCanonical(a.address)) === NetAddress.formatIp(NetAddress.toCanonical(b.address))
