/**
 * Implements the service `Endpoint`: each operation checks its arguments and calls the module that does the work.
 */
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Connection } from "../../Connection.ts"
import type { ConnectionError, InvalidAddress } from "../../ConnectionError.ts"
import type { Endpoint, SendOptions } from "../../Endpoint.ts"
import { InvalidArgument, ofOptions, ofValue, unless, untyped } from "../../InvalidArgument.ts"
import type { Mapping } from "../../PortMapper.ts"
import { isTransient } from "../../RetrySchedule.ts"
import type * as PeerAddress from "../../PeerAddress.ts"
import { ConnectionLost, NotConnected, type SendError } from "../../SendError.ts"
import type { ProtocolStream } from "../../ProtocolStream.ts"
import * as WireMessage from "../../WireMessage.ts"
import * as args from "../arguments.ts"
import { invalidOptions, invalidPriority } from "../connection/sendArguments.ts"
import { protocolName } from "../wire/protocolName.ts"
import { localAddresses } from "../localAddresses.ts"
import { accepted, connectTarget, firstToAnswer } from "./dialling.ts"
import type { Outcomes } from "./outcomes.ts"
import { changesOf, ownPeerAddress } from "./ownAddress.ts"
import type { EndpointState } from "./state.ts"
import { retrying } from "./retrying.ts"
import { ownOptions, send } from "./sending.ts"
import type { Target } from "./target.ts"

type Service = Endpoint["Service"]

/** Handles an invalid peer: malformed text is treated as an address without a connection, any other value is an error. */
const unreadable =
  <A>(peer: PeerAddress.Input, nothing: Effect.Effect<A>) =>
  ({ input, detail }: InvalidAddress): Effect.Effect<A> =>
    typeof peer === "string"
      ? nothing
      : untyped(new InvalidArgument({ argument: "peer", detail: `must be a peer, got ${input}: ${detail}` }))

/** The parts of the service that `start.ts` makes. */
interface Rest {
  readonly close: Effect.Effect<void>
  readonly mapping: Option.Option<Mapping>
  readonly outcomes: Outcomes
  /** Whether peers can dial the endpoint. */
  readonly isDialable: boolean
  readonly bootstrap: Service["bootstrap"]
}

/** Makes the service. */
export const serviceOf = (state: EndpointState, { bootstrap, close, isDialable, mapping, outcomes }: Rest): Service => {
  const { config, connections } = state
  const { dials, pool, queues } = connections

  /** Resolves `peer` and runs `body` with the address, or `otherwise` when `peer` is invalid. */
  const withPeer = <A, E, R = never>(
    peer: PeerAddress.Input,
    body: (resolved: Target) => Effect.Effect<A, E, R>,
    otherwise: (error: InvalidAddress) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      const resolved = connections.resolve(peer)
      return Result.isSuccess(resolved) ? body(resolved.success) : otherwise(resolved.failure)
    })

  const connectTo: Service["connectTo"] = (peer) =>
    withPeer<Connection, ConnectionError>(
      peer,
      (resolved) => {
        // Each attempt looks anew: the connection that one has waited for may have ended before the peer accepted it.
        const once = Effect.suspend(() => {
          const connection = connections.current(resolved)
          return connection === undefined ? connectTarget(connections, resolved) : Effect.succeed(connection)
        })
        return retrying<Connection, ConnectionError>(state, accepted(connections, once), {
          duration: config.retryDuration,
          isTransient,
          failure: identity
        })
      },
      Effect.fail
    )

  /** Dials, and retries after transient errors. */
  const dialled = (resolved: Target, options: SendOptions | undefined): Effect.Effect<Connection, ConnectionError> =>
    retrying<Connection, ConnectionError>(state, connectTarget(connections, resolved), {
      duration: Option.getOrElse(args.durationOf(options?.retryDuration), () => config.retryDuration),
      isTransient,
      failure: identity
    })

  const ownAddress = () =>
    ownPeerAddress(
      state.identity.peerId,
      isDialable ? [outcomes.latest.publicAddress, ...localAddresses(state.localAddress, connections.interfaces)] : []
    )

  return {
    peerId: state.identity.peerId,
    config,
    get peerAddress() {
      return ownAddress()
    },
    peerAddressChanges: changesOf(ownAddress, outcomes, connections.untilStopped),
    localAddress: state.localAddress,
    get localAddresses() {
      return localAddresses(state.localAddress, connections.interfaces)
    },
    get publicAddress() {
      return outcomes.latest.publicAddress
    },
    portMapping: mapping,
    get bootstrapContact() {
      return outcomes.latest.contact
    },
    connections: Effect.sync(() => connections.list),
    incomingConnections: Stream.map(queues.incoming.stream, ({ surfaced }) => surfaced),
    incomingStreams: queues.incomingStreams.stream,
    incomingMessages: queues.messages.stream,
    datagrams: Stream.map(queues.datagrams.stream, ({ datagram }) => datagram),
    disconnections: queues.disconnections.inbox.stream,
    nextConnection: Effect.map(queues.incoming.take, ({ surfaced }) => surfaced),
    nextStream: queues.incomingStreams.take,
    nextMessage: queues.messages.take,
    nextDatagram: Effect.map(queues.datagrams.take, ({ datagram }) => datagram),
    nextDisconnection: queues.disconnections.inbox.take,
    connectTo,
    connectToAny: (peers) => Effect.map(firstToAnswer(connections, peers), ({ connection }) => connection),
    isReachable: (peer) =>
      withPeer(
        peer,
        (resolved) => dials.probeTarget(resolved),
        (error) => Effect.fail(new ConnectionLost({ reason: error }))
      ),
    bootstrap,
    disconnectFrom: (peer) =>
      withPeer(
        peer,
        (resolved) =>
          Effect.forEach(connections.allToClose(resolved), (connection) => connection.close(), {
            concurrency: "unbounded",
            discard: true
          }),
        unreadable(peer, Effect.void)
      ),
    connectionId: (peer) =>
      withPeer(
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
    openProtocol: (peer, name, options) =>
      withPeer<ProtocolStream, ConnectionError, Scope.Scope>(
        peer,
        (resolved) => {
          const wrong = ofValue("name", name, protocolName) ?? ofOptions(options, args.sendOptions)
          if (wrong !== undefined) return Effect.fail(wrong)
          const connection = connections.current(resolved)
          // The stream does not wait for the peer to accept the connection.
          const connected = connection === undefined ? dialled(resolved, options) : Effect.succeed(connection)
          return Effect.flatMap(connected, (each) => each.openProtocol(name, ownOptions(options)))
        },
        Effect.fail
      ),
    serveProtocol: connections.protocols.serve,
    trySendMessage: (payload, peer, options) =>
      withPeer<void, NotConnected | SendError>(
        peer,
        (resolved) => {
          const connection = connections.current(resolved)
          if (connection !== undefined) return connection.send(payload, options)
          const invalid =
            invalidOptions(options, args.priorityOptions) ?? WireMessage.checkPayload(payload, config.maxMessageSize)
          return Effect.fail(invalid ?? new NotConnected({ peer: resolved.key ?? String(peer) }))
        },
        (error) => Effect.fail(new ConnectionLost({ reason: error }))
      ),
    sendMessage: (payload, peer, options) =>
      withPeer<void, SendError>(
        peer,
        (resolved) => {
          const refused = invalidOptions(options, args.sendOptions)
          if (refused !== undefined) return Effect.fail(refused)
          return send(state, payload, resolved, options)
        },
        (error) => Effect.fail(new ConnectionLost({ reason: error }))
      ),
    close
  }
}
