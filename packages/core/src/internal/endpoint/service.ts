/**
 * The service that an application uses: each operation looks at its arguments and hands over to what does the work.
 */
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type * as Bootstrap from "../../Bootstrap.ts"
import type { Connection } from "../../Connection.ts"
import type { ConnectionError, InvalidAddress } from "../../ConnectionError.ts"
import type { Address, Endpoint } from "../../Endpoint.ts"
import { InvalidArgument, ofValue, unless, untyped } from "../../InvalidArgument.ts"
import type { Mapping } from "../../PortMapper.ts"
import { isTransient } from "../../RetrySchedule.ts"
import { ConnectionLost, NotConnected, type SendError } from "../../SendError.ts"
import * as WireMessage from "../../WireMessage.ts"
import * as args from "../arguments.ts"
import { invalidOptions, invalidPriority } from "../connection/sendArguments.ts"
import { localAddresses } from "../localAddresses.ts"
import { connectOnce, firstToAnswer } from "./dialling.ts"
import type { Node } from "./node.ts"
import { retrying } from "./retrying.ts"
import { send } from "./sending.ts"

type Service = Endpoint["Service"]

/** What to do about a peer that has no address: where nobody can be at some text, nothing is to be done. */
const unreadable =
  <A>(peer: Address, nothing: Effect.Effect<A>) =>
  ({ input, detail }: InvalidAddress): Effect.Effect<A> =>
    typeof peer === "string"
      ? nothing
      : untyped(new InvalidArgument({ argument: "peer", detail: `must be an address, got ${input}: ${detail}` }))

/** What the service has that is neither of its node nor made here. */
interface Rest {
  readonly close: Effect.Effect<void>
  readonly mapping: Option.Option<Mapping>
  readonly place: { readonly latest: Bootstrap.Outcome }
  readonly bootstrap: Service["bootstrap"]
}

export const serviceOf = (node: Node, { bootstrap, close, mapping, place }: Rest): Service => {
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

  const connectTo: Service["connectTo"] = (peer) =>
    withAddress<Connection, ConnectionError>(
      peer,
      (resolved) => {
        const connection = connections.current(resolved)
        return connection === undefined
          ? retrying<Connection, ConnectionError>(node, connectOnce(connections, resolved), {
              duration: config.retryDuration,
              isWorthIt: isTransient,
              failure: identity
            })
          : Effect.succeed(connection)
      },
      Effect.fail
    )

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
    connections: Effect.sync(() => connections.list),
    incomingConnections: Stream.map(connections.incoming.stream, ({ surfaced }) => surfaced),
    incomingStreams: connections.incomingStreams.stream,
    incomingMessages: connections.messages.stream,
    disconnections: connections.disconnections.inbox.stream,
    nextConnection: Effect.map(connections.incoming.take, ({ surfaced }) => surfaced),
    nextStream: connections.incomingStreams.take,
    nextMessage: connections.messages.take,
    nextDisconnection: connections.disconnections.inbox.take,
    connectTo,
    connectToAny: (peers) => Effect.map(firstToAnswer(connections, peers), ({ connection }) => connection),
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
          Effect.forEach(connections.all(resolved), (connection) => connection.close(), {
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
      const wrong = invalidPriority(options)
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
            invalidOptions(options, args.priorityOptions) ?? WireMessage.checkPayload(payload, config.maxMessageSize)
          return Effect.fail(invalid ?? new NotConnected({ peer: resolved }))
        },
        (error) => Effect.fail(new ConnectionLost({ reason: error }))
      ),
    sendMessage: (payload, peer, options) =>
      withAddress<void, SendError>(
        peer,
        (resolved) => {
          const refused = invalidOptions(options, args.sendOptions)
          if (refused !== undefined) return Effect.fail(refused)
          return send(node, payload, resolved, options)
        },
        (error) => Effect.fail(new ConnectionLost({ reason: error }))
      ),
    close
  }
}
