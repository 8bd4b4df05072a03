/**
 * Rumours that go round: what one node publishes, every node hears, as long as the nodes are connected somehow.
 *
 * A rumour is told to every peer as soon as it is known. That is quick, and misses whoever cannot be reached just then.
 * So each node also compares notes with one of its peers now and then, and each gets from the other what it lacks.
 */
import { Endpoint, type EndpointError, type PortMapper, type Transport } from "@qp2p/core"
import { Clock, Context, Duration, Effect, Layer, Option, PubSub, Random, Schema, type Scope, Stream } from "effect"
import { Answer, decode, Digest, encode, maxCapacity, maxRumours, Rumour, Tell } from "./Message.ts"
import { Rumours } from "./Rumours.ts"

/** Peers that one node talks to, at most. */
const maxPeers = 32

/** A peer that dialled us is forgotten after this many exchanges in a row that failed. A contact never is. */
const maxFailures = 10

/** Messages of peers that are worked on at once. */
const concurrency = 16

export interface Options {
  /** Peers to begin with. Whoever dials this node becomes one too. */
  readonly contacts?: ReadonlyArray<Endpoint.Address> | undefined
  /** How long to wait between one exchange and the next. 5 s by default. */
  readonly interval?: Duration.Input | undefined
  /** How long an exchange may take. 10 s by default. */
  readonly patience?: Duration.Input | undefined
  /** Rumours to remember: the latest. 1,000 by default, and at most. The same in all nodes, or they keep on asking. */
  readonly capacity?: number | undefined
}

export class Gossip extends Context.Service<
  Gossip,
  {
    /** Done when the rumour is on its way; 1 to 1,000 characters. */
    readonly publish: (text: string) => Effect.Effect<Rumour, Schema.SchemaError>
    /** What is known now, oldest first. */
    readonly rumours: Effect.Effect<ReadonlyArray<Rumour>>
    /** What is known, and then whatever comes. Whoever is slow misses the older of what came. */
    readonly heard: Stream.Stream<Rumour>
    readonly peers: Effect.Effect<ReadonlyArray<string>>
  }
>()("@qp2p-examples/gossip/Gossip") {
  static readonly layer = (options?: Options): Layer.Layer<Gossip, never, Endpoint.Endpoint> =>
    Layer.effect(Gossip, make(options))

  /** With an endpoint of its own, which has the same contacts. */
  static readonly layerNode = (
    options: Options & Endpoint.Options = {}
  ): Layer.Layer<
    Gossip | Endpoint.Endpoint,
    EndpointError.EndpointError,
    Transport.Transport | PortMapper.PortMapper
  > => {
    // An endpoint refuses options that it does not know.
    const { config, contacts, localAddress } = options
    return Layer.provideMerge(
      Gossip.layer(options),
      Endpoint.layer({ localAddress, contacts, config: { maxMessageSize: 1024 * 1024, ...config } })
    )
  }
}

interface Peer {
  readonly address: Endpoint.Address
  readonly isContact: boolean
  failures: number
  /** Ids of rumours that it has not been told yet. */
  readonly untold: Set<string>
  isBeingTold: boolean
}

const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<Gossip["Service"], never, Endpoint.Endpoint | Scope.Scope> {
  const endpoint = yield* Endpoint.Endpoint
  const scope = yield* Effect.scope
  const interval = Duration.fromInputUnsafe(options.interval ?? "5 seconds")
  const patience = Duration.fromInputUnsafe(options.patience ?? "10 seconds")
  const rumours = new Rumours(Math.min(options.capacity ?? maxCapacity, maxCapacity))
  const news = yield* PubSub.sliding<Rumour>(256)
  // The one whose turn it is comes first.
  const peers = new Map<string, Peer>()

  const meet = (address: Endpoint.Address, isContact: boolean) => {
    const name = String(address)
    const isMyself = [...endpoint.localAddresses, endpoint.publicAddress].some((mine) => String(mine) === name)
    if (isMyself || peers.has(name) || peers.size >= maxPeers) return
    const untold = new Set(rumours.all.map(({ id }) => id))
    peers.set(name, { address, isContact, failures: 0, untold, isBeingTold: false })
  }

  /** What the peer at this place is called: a contact may answer from elsewhere than it is dialled at. */
  const nameAt = Effect.fnUntraced(function* (place: Endpoint.Address) {
    for (const [name, { address }] of peers) {
      const id = yield* endpoint.connectionId(address)
      const now = Option.isSome(id) ? yield* endpoint.addressOf(id.value) : Option.none()
      if (Option.isSome(now) && String(now.value) === String(place)) return name
    }
    return String(place)
  })

  /** Tells `peer` what it has not been told. The endpoint tries again for a while; after that there are exchanges. */
  const tell = Effect.fnUntraced(function* (peer: Peer) {
    while (peer.untold.size > 0) {
      const ids = [...peer.untold].slice(0, maxRumours)
      for (const id of ids) peer.untold.delete(id)
      const payload = yield* encode(Tell.make({ rumours: rumours.pick(ids) }))
      yield* endpoint.sendMessage(payload, peer.address)
    }
  })

  const spread = (added: ReadonlyArray<Rumour>, source?: string) =>
    Effect.forEach(
      peers,
      ([name, peer]) => {
        if (name === source) return Effect.void
        for (const { id } of added) peer.untold.add(id)
        // What is forgotten meanwhile need not be told any more.
        if (peer.untold.size > maxCapacity) {
          for (const id of peer.untold) if (!rumours.has(id)) peer.untold.delete(id)
        }
        if (peer.isBeingTold || peer.untold.size === 0) return Effect.void
        peer.isBeingTold = true
        return tell(peer).pipe(
          Effect.catch((error) => {
            peer.untold.clear()
            return Effect.logDebug(`${name} was not told: ${error.message}`)
          }),
          Effect.ensuring(Effect.sync(() => void (peer.isBeingTold = false))),
          Effect.forkIn(scope)
        )
      },
      { discard: true }
    )

  const learn = Effect.fnUntraced(function* (heard: ReadonlyArray<Rumour>, source?: string) {
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
      if (received._tag === "Tell") yield* learn(received.rumours, yield* nameAt(message.peer))
      if (received._tag === "Digest") yield* answer(message, received)
    }).pipe(Effect.catch((error) => Effect.logDebug(`${message.peer}: ${error.message}`)))

  /** Compares notes with a peer. */
  const exchange = Effect.fnUntraced(function* (name: string, peer: Peer) {
    const { receive, send } = yield* endpoint.openBidirectionalStream(peer.address)
    yield* send.sendMessage(yield* encode(Digest.make({ ids: rumours.all.map(({ id }) => id) })), { fin: true })
    yield* Stream.runForEach(receive.messages, (payload) =>
      Effect.gen(function* () {
        const received = yield* decode(payload)
        if (received._tag !== "Answer") return
        yield* learn(received.rumours, name)
        const wanted = rumours.pick(received.wanted).slice(0, maxRumours)
        if (wanted.length === 0) return
        yield* endpoint.sendMessage(yield* encode(Tell.make({ rumours: wanted })), peer.address)
      })
    )
  })

  /** With whoever's turn it is. */
  const round = Effect.suspend(() => {
    const [turn] = peers
    if (turn === undefined) return Effect.void
    const [name, peer] = turn
    peers.delete(name)
    peers.set(name, peer)
    return exchange(name, peer).pipe(
      Effect.timeout(patience),
      Effect.matchEffect({
        onSuccess: () => Effect.sync(() => void (peer.failures = 0)),
        onFailure: (error) => {
          peer.failures += 1
          if (peer.failures >= maxFailures && !peer.isContact) peers.delete(name)
          return Effect.logDebug(`no exchange with ${name}: ${error.message}`)
        }
      })
    )
  })

  for (const contact of options.contacts ?? []) meet(contact, true)
  yield* endpoint.incomingConnections.pipe(
    Stream.runForEach(({ remoteAddress }) =>
      Effect.flatMap(nameAt(remoteAddress), (name) => {
        if (!peers.has(name)) meet(remoteAddress, false)
        return spread([])
      })
    ),
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
    peers: Effect.sync(() => [...peers.keys()])
  })
})
