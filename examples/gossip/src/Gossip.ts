/**
 * A gossip service: a rumour that one node publishes reaches all nodes, directly or through others.
 *
 * A node pushes each new rumour to all its peers. That is fast, but misses unreachable peers. Therefore each node also runs an
 * exchange (anti-entropy) with one of its peers at intervals, in which both get the rumours that they lack.
 */
import {
  type ConnectionError,
  Endpoint,
  type EndpointError,
  PeerAddress,
  type PeerId,
  type PortMapper,
  type Transport
} from "@qp2p/core"
import {
  Clock,
  Context,
  Duration,
  Effect,
  Equal,
  Layer,
  Option,
  PubSub,
  Random,
  Schema,
  type Scope,
  Stream
} from "effect"
import { Answer, decode, Digest, encode, maxCapacity, maxRumours, Rumour, Tell } from "./Message.ts"
import { nameOf, type Peer, Peers } from "./Peers.ts"
import { Rumours } from "./Rumours.ts"

/** The number of consecutive failed exchanges after which a peer that is no contact is removed. */
const maxFailures = 10

/** The most messages that are handled at once. */
const concurrency = 16

/** The options of a node. */
export interface Options {
  /** The initial peers. A peer that dials this node is added. */
  readonly contacts?: ReadonlyArray<PeerAddress.Input> | undefined
  /** The time between exchanges. Default 5 s. */
  readonly interval?: Duration.Input | undefined
  /** The time limit of an exchange. Default 10 s. */
  readonly patience?: Duration.Input | undefined
  /** The most rumours that the node remembers, up to 1,000. It must be the same in all nodes. Default 1,000. */
  readonly capacity?: number | undefined
}

/** The gossip service of one node. */
export class Gossip extends Context.Service<
  Gossip,
  {
    /** Publishes a rumour of 1 to 1,000 characters. Completes when sending has begun. */
    readonly publish: (text: string) => Effect.Effect<Rumour, Schema.SchemaError>
    /** The known rumours, oldest first. */
    readonly rumours: Effect.Effect<ReadonlyArray<Rumour>>
    /** The known rumours, and then new ones as they arrive. A slow reader misses older ones. */
    readonly heard: Stream.Stream<Rumour>
    /** The ids of the peers, and the addresses of contacts that have not answered yet. */
    readonly peers: Effect.Effect<ReadonlyArray<string>>
  }
>()("@qp2p-examples/gossip/Gossip") {
  static readonly layer = (options?: Options): Layer.Layer<Gossip, ConnectionError.InvalidAddress, Endpoint.Endpoint> =>
    Layer.effect(Gossip, make(options))

  /** Provides the service with an endpoint of its own, which has the same contacts. */
  static readonly layerNode = (
    options: Options & Endpoint.Options = {}
  ): Layer.Layer<
    Gossip | Endpoint.Endpoint,
    EndpointError.EndpointError | ConnectionError.InvalidAddress,
    Transport.Transport | PortMapper.PortMapper
  > => {
    // An endpoint rejects unknown options.
    const { config, contacts, identity, localAddress } = options
    return Layer.provideMerge(
      Gossip.layer(options),
      Endpoint.layer({ localAddress, contacts, identity, config: { maxMessageSize: 1024 * 1024, ...config } })
    )
  }
}

const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<Gossip["Service"], ConnectionError.InvalidAddress, Endpoint.Endpoint | Scope.Scope> {
  const endpoint = yield* Endpoint.Endpoint
  const scope = yield* Effect.scope
  const interval = Duration.fromInputUnsafe(options.interval ?? "5 seconds")
  const patience = Duration.fromInputUnsafe(options.patience ?? "10 seconds")
  const rumours = new Rumours(Math.min(options.capacity ?? maxCapacity, maxCapacity))
  const news = yield* PubSub.sliding<Rumour>(256)
  const peers = new Peers(endpoint)

  /** Notes which peer a contact without an id is. The connection is there, so this does not dial. */
  const identify = (peer: Peer) =>
    Option.isSome(peer.target.peerId)
      ? Effect.void
      : Effect.map(endpoint.connectTo(peer.target), ({ peerId }) => peers.identify(peer, peerId))

  /** Sends the pending rumours to a peer. The endpoint retries for a while; later, exchanges deliver them. */
  const tell = Effect.fnUntraced(function* (peer: Peer) {
    while (peer.untold.size > 0) {
      const ids = [...peer.untold].slice(0, maxRumours)
      for (const id of ids) peer.untold.delete(id)
      const payload = yield* encode(Tell.make({ rumours: rumours.pick(ids) }))
      yield* endpoint.sendMessage(payload, peer.target)
    }
    yield* identify(peer)
  })

  const spread = (added: ReadonlyArray<Rumour>, source?: PeerId.PeerId) =>
    Effect.forEach(
      peers.all,
      (peer) => {
        if (source !== undefined && peer.id === source) return Effect.void
        for (const { id } of added) peer.untold.add(id)
        // Rumours that this node has dropped are not sent.
        if (peer.untold.size > maxCapacity) {
          for (const id of peer.untold) if (!rumours.has(id)) peer.untold.delete(id)
        }
        if (peer.isBeingTold || peer.untold.size === 0) return Effect.void
        peer.isBeingTold = true
        return tell(peer).pipe(
          Effect.catch((error) => {
            peer.untold.clear()
            return Effect.logDebug(`${nameOf(peer)} was not told: ${error.message}`)
          }),
          Effect.ensuring(Effect.sync(() => void (peer.isBeingTold = false))),
          Effect.forkIn(scope)
        )
      },
      { discard: true }
    )

  const learn = Effect.fnUntraced(function* (heard: ReadonlyArray<Rumour>, source?: PeerId.PeerId) {
    const added = rumours.add(heard)
    if (added.length === 0) return
    yield* PubSub.publishAll(news, added)
    yield* spread(added, source)
  })

  const answer = (message: Endpoint.IncomingMessage, { ids }: typeof Digest.Type) =>
    Option.match(message.reply, {
      onNone: () => Effect.void,
      onSome: (reply) =>
        Effect.gen(function* () {
          const lacking = rumours.missing(ids).slice(0, maxRumours)
          const wanted = ids.filter((id) => !rumours.has(id))
          yield* reply.sendMessage(yield* encode(Answer.make({ rumours: lacking, wanted })), { fin: true })
        }).pipe(Effect.timeout(patience))
    })

  const receive = (message: Endpoint.IncomingMessage) =>
    Effect.gen(function* () {
      const received = yield* decode(message.payload)
      if (received._tag === "Tell") yield* learn(received.rumours, message.peerId)
      if (received._tag === "Digest") yield* answer(message, received)
    }).pipe(Effect.catch((error) => Effect.logDebug(`${message.peerId}: ${error.message}`)))

  /** Runs an exchange with a peer. */
  const exchange = Effect.fnUntraced(function* (peer: Peer) {
    const connection = yield* endpoint.connectTo(peer.target)
    peers.identify(peer, connection.peerId)
    const { receive, send } = yield* connection.openBi()
    yield* send.sendMessage(yield* encode(Digest.make({ ids: rumours.all.map(({ id }) => id) })), { fin: true })
    yield* Stream.runForEach(receive.messages, (payload) =>
      Effect.gen(function* () {
        const received = yield* decode(payload)
        if (received._tag !== "Answer") return
        yield* learn(received.rumours, connection.peerId)
        const wanted = rumours.pick(received.wanted).slice(0, maxRumours)
        if (wanted.length === 0) return
        yield* endpoint.sendMessage(yield* encode(Tell.make({ rumours: wanted })), peer.target)
      })
    )
  })

  /** Runs an exchange with the next peer. */
  const round = Effect.suspend(() => {
    const peer = peers.next()
    if (peer === undefined) return Effect.void
    return exchange(peer).pipe(
      Effect.timeout(patience),
      Effect.matchEffect({
        onSuccess: () => Effect.sync(() => void (peer.failures = 0)),
        onFailure: (error) => {
          peer.failures += 1
          if (peer.failures >= maxFailures && !peer.isContact) peers.remove(peer)
          return Effect.logDebug(`no exchange with ${nameOf(peer)}: ${error.message}`)
        }
      })
    )
  })

  for (const contact of options.contacts ?? []) {
    peers.addContact(yield* Effect.fromResult(PeerAddress.fromInput(contact)))
  }
  // The contact through which the endpoint joined is connected.
  const joined = peers.all.find(({ target }) => Option.exists(endpoint.bootstrapContact, Equal.equals(target)))
  if (joined !== undefined) yield* Effect.ignore(identify(joined))
  yield* endpoint.incomingConnections.pipe(
    Stream.runForEach(({ peerId, remoteAddress }) => {
      peers.meet(
        peerId,
        remoteAddress,
        rumours.all.map(({ id }) => id)
      )
      return spread([])
    }),
    Effect.forkScoped
  )
  yield* endpoint.incomingMessages.pipe(
    Stream.mapEffect(receive, { concurrency, unordered: true }),
    Stream.runDrain,
    Effect.forkScoped
  )
  yield* Effect.sleep(interval).pipe(Effect.andThen(round), Effect.forever, Effect.forkScoped)

  return Gossip.of({
    publish: Effect.fn("Gossip.publish")(function* (text) {
      const at = yield* Clock.currentTimeMillis
      const id = (yield* Random.nextInt).toString(36)
      const rumour = yield* Schema.decodeEffect(Rumour)({ id, at: Math.floor(at), text })
      yield* learn([rumour])
      return rumour
    }),
    rumours: Effect.sync(() => rumours.all),
    heard: Stream.unwrap(
      Effect.gen(function* () {
        const subscription = yield* PubSub.subscribe(news)
        const known = rumours.all
        const ids = new Set(known.map(({ id }) => id))
        const later = Stream.filter(Stream.fromSubscription(subscription), ({ id }) => !ids.has(id))
        return Stream.concat(Stream.fromIterable(known), later)
      })
    ),
    peers: Effect.sync(() => peers.all.map(nameOf))
  })
})
