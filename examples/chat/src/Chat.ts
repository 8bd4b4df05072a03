/**
 * A chat of peers that know each other by their keys: a line goes to all that are connected.
 *
 * The roster follows the connections of the endpoint: those that are there at the start, those that peers make, those that this side
 * dials, and the disconnections. A peer that comes back is the same peer, since it has kept its key.
 */
import { type Connection, Endpoint, type PeerAddress, type PeerId, type ProtocolError } from "@qp2p/core"
import { Context, type Duration, Effect, Layer, Queue, Schedule, Schema, type Scope, Stream } from "effect"
import { Line, makeMessages, type Name } from "./Message.ts"
import { type Member, Roster } from "./Roster.ts"

/** The most events that wait for a slow reader, which misses the oldest. */
const maxEvents = 1_000

/** The most peers that one line goes to, and whose messages are handled, at once. */
const concurrency = 16

/** What happens in the chat. */
export type Event =
  | { readonly _tag: "Came"; readonly member: Member; readonly isBack: boolean }
  | { readonly _tag: "Went"; readonly member: Member }
  | { readonly _tag: "Said"; readonly member: Member; readonly text: string }
  /** A contact was not reached, and is dialled again. `reason` is told once as long as it stays the same. */
  | { readonly _tag: "Missed"; readonly contact: PeerAddress.Input; readonly reason: string }

/** The options of a chat. */
export interface Options {
  /** The own name. */
  readonly name: typeof Name.Type
  /** The peers to stay connected with. Others may connect by themselves. */
  readonly contacts?: ReadonlyArray<PeerAddress.Input> | undefined
  /** The time between attempts to reach a contact. Default 2 s. */
  readonly redial?: Duration.Input | undefined
}

/** The chat of one endpoint. */
export class Chat extends Context.Service<
  Chat,
  {
    /** Sends a line to every peer that is here. Completes when they have it; returns those that do not. */
    readonly say: (text: string) => Effect.Effect<ReadonlyArray<Member>, Schema.SchemaError>
    /** The peers that are here. */
    readonly roster: Effect.Effect<ReadonlyArray<Member>>
    /** What happens, each event once. */
    readonly events: Stream.Stream<Event>
  }
>()("@qp2p-examples/chat/Chat") {
  static readonly layer = (options: Options): Layer.Layer<Chat, ProtocolError.ProtocolTaken, Endpoint.Endpoint> =>
    Layer.effect(Chat, make(options))
}

const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Chat["Service"], ProtocolError.ProtocolTaken, Endpoint.Endpoint | Scope.Scope> {
  const endpoint = yield* Endpoint.Endpoint
  const scope = yield* Effect.scope
  const messages = yield* makeMessages
  const events = yield* Queue.sliding<Event>(maxEvents)
  const roster = new Roster()

  const isConnected = (peerId: PeerId.PeerId) =>
    Effect.map(endpoint.connections, (connections) => connections.some((each) => each.peerId === peerId))

  /** Adds a peer, and asks for its name. A peer that does not answer is here without one. */
  const meet = Effect.fnUntraced(function* (peerId: PeerId.PeerId) {
    const stay = roster.add(peerId)
    if (stay === undefined) return
    const name = yield* messages.ask(peerId, { _tag: "Hello" }).pipe(
      Effect.map((answer) => answer.name),
      Effect.catch(({ message }) => Effect.as(Effect.logDebug(`${peerId} has no name: ${message}`), undefined))
    )
    // It may have left meanwhile, and be here again.
    if (!roster.lasts(stay) || !(yield* isConnected(peerId))) return
    const isBack = name !== undefined && roster.call(peerId, name)
    stay.isTold = true
    yield* Queue.offer(events, { _tag: "Came", member: roster.member(peerId), isBack })
  })

  /** Meets the peer of a connection, in the background. */
  const follow = ({ peerId }: Pick<Connection.Connection, "peerId">) =>
    Effect.asVoid(Effect.forkIn(meet(peerId), scope))

  /** Removes a peer, and meets it again if it has come back: connections and disconnections have no order among each other. */
  const part = Effect.fnUntraced(function* (peerId: PeerId.PeerId) {
    const member = roster.member(peerId)
    if (roster.remove(peerId)?.isTold === true) yield* Queue.offer(events, { _tag: "Went", member })
    if (yield* isConnected(peerId)) yield* follow({ peerId })
  })

  /** Stays connected with a contact: dials it, waits for the end of the connection, and dials again. */
  const keep = (contact: PeerAddress.Input) => {
    let told = ""
    const tell = (reason: string) =>
      Effect.suspend(() => {
        if (reason === told) return Effect.void
        told = reason
        return reason === "" ? Effect.void : Queue.offer(events, { _tag: "Missed", contact, reason })
      })
    return endpoint.connectTo(contact).pipe(
      Effect.tap(() => tell("")),
      Effect.tap(follow),
      Effect.flatMap(({ closed }) => closed),
      Effect.catch(({ message }) => tell(message)),
      Effect.repeat(Schedule.spaced(options.redial ?? "2 seconds"))
    )
  }

  const receive = messages.incoming.pipe(
    Stream.mapEffect(
      ({ peerId, reply, value }) => {
        if (value._tag === "Hello") {
          return Effect.catch(reply({ name: options.name }), ({ message }) => Effect.logWarning(message))
        }
        return Queue.offer(events, { _tag: "Said", member: roster.member(peerId), text: value.text })
      },
      { concurrency, unordered: true }
    ),
    Stream.runDrain
  )

  yield* Effect.forkScoped(receive)
  yield* Effect.forkScoped(Stream.runForEach(endpoint.incomingConnections, follow))
  yield* Effect.forkScoped(
    Stream.runForEach(endpoint.disconnections, ({ last, peerId }) => (last ? part(peerId) : Effect.void))
  )
  yield* Effect.forEach(yield* endpoint.connections, follow)
  for (const contact of options.contacts ?? []) yield* Effect.forkScoped(keep(contact))

  return Chat.of({
    say: Effect.fn("Chat.say")(function* (text) {
      const line = yield* Schema.decodeEffect(Line)({ _tag: "Line", text })
      const missed = yield* Effect.forEach(
        roster.members,
        (member) =>
          messages.send(member.peerId, line, { retryDuration: 0 }).pipe(
            Effect.timeout("10 seconds"),
            Effect.as([]),
            Effect.catch(({ message }) =>
              Effect.as(Effect.logDebug(`${member.name} did not get a line: ${message}`), [member])
            )
          ),
        { concurrency }
      )
      return missed.flat()
    }),
    roster: Effect.sync(() => roster.members),
    events: Stream.fromQueue(events)
  })
})
