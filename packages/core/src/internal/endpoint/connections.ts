/**
 * The connections of an endpoint, between the transport and the application's queues.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Host from "effect/net/Host"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import { undiallable } from "../../Address.ts"
import type * as Bootstrap from "../../Bootstrap.ts"
import type { Close } from "../../Close.ts"
import type { Connection } from "../../Connection.ts"
import {
  type ConnectionError,
  EndpointStopped,
  InvalidAddress,
  PeerNotFound,
  TooManyConnections
} from "../../ConnectionError.ts"
import type { ConnectionId } from "../../ConnectionId.ts"
import type { Pool } from "../../ConnectionPool.ts"
import type { EndpointConfig } from "../../EndpointConfig.ts"
import type { IncomingMessage } from "../../IncomingMessage.ts"
import type { IncomingStream } from "../../IncomingStream.ts"
import type * as PeerAddress from "../../PeerAddress.ts"
import type { PeerId } from "../../PeerId.ts"
import type { Peer } from "../../PeerPolicy.ts"
import { type RpcError, RpcTimedOut } from "../../RpcError.ts"
import { isTransient } from "../../RetrySchedule.ts"
import { ConnectionLost } from "../../SendError.ts"
import type {
  BackingConnection,
  BackingSocket,
  ConnectionEvents,
  DialEvents,
  HeldStreams,
  NetworkInterface
} from "../../Transport.ts"
import type * as WireMessage from "../../WireMessage.ts"
import * as ErrorCode from "../../ErrorCode.ts"
import { ConnectionImpl, type ConnectionOwner } from "../connection/connection.ts"
import type { Reply } from "../connection/reply.ts"
import * as header from "../wire/header.ts"
import { LogLimit } from "../logLimit.ts"
import { Admission } from "./admission.ts"
import { PendingInbound } from "./pendingInbound.ts"
import { ask } from "./asking.ts"
import { Disconnections } from "./disconnections.ts"
import { Inbox } from "../inbox.ts"
import { Peers } from "./peers.ts"
import { Replacements } from "./replacements.ts"
import * as target from "./target.ts"
import type { Target, TargetAddress } from "./target.ts"

/** Resolves a host name and a port. */
export type LookUp = (
  name: Host.HostPort
) => Effect.Effect<readonly [NetAddress.InetAddress, ...Array<NetAddress.InetAddress>], InvalidAddress>

/** The connections and the queues of one endpoint. */
export class Connections implements ConnectionOwner {
  readonly config: EndpointConfig
  readonly pool: Pool
  readonly messages: Inbox<IncomingMessage>
  /** The queue of streams for the application; always empty when the endpoint reads messages. */
  readonly incomingStreams: Inbox<IncomingStream>
  readonly streams: Inbox<IncomingStream> | undefined
  readonly incoming: Inbox<ConnectionImpl>
  readonly disconnections: Disconnections
  /** The bound socket, set before the first dial. */
  socket: BackingSocket | undefined = undefined
  private isStopped = false
  /** The bytes of messages that wait for room although their stream has ended. */
  private keptBytes = 0
  private readonly stopping = Deferred.makeUnsafe<never, EndpointStopped>()
  /** The connections that the application knows or will get. */
  private readonly peers = new Peers<ConnectionImpl>()
  private readonly pendingInbound: PendingInbound
  private readonly idOf: (peer: NetAddress.InetAddress) => ConnectionId
  private readonly respond: Bootstrap.Bootstrap["Service"]["respond"]
  readonly now: () => number
  readonly background: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  readonly interfaces: () => ReadonlyArray<NetworkInterface>
  private readonly replacements: Replacements
  private readonly admission: Admission
  private readonly lookUpName: LookUp
  private readonly logLimit: LogLimit

  constructor(options: {
    readonly config: EndpointConfig
    /** Returns the machine's network interfaces, as the transport reports them. */
    readonly interfaces: () => ReadonlyArray<NetworkInterface>
    readonly pool: Pool
    readonly idOf: (peer: NetAddress.InetAddress) => ConnectionId
    readonly respond: Bootstrap.Bootstrap["Service"]["respond"]
    readonly policy: (peer: Peer) => Effect.Effect<boolean>
    /** Returns the time of a monotonic clock, in milliseconds. */
    readonly now: () => number
    /** Runs an effect in the endpoint's scope. */
    readonly background: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
    /** Resolves a host name and a port. */
    readonly lookUpName: LookUp
    /** Whether the application reads the streams that peers open. If false, the endpoint reads them as messages. */
    readonly readsStreams: boolean
  }) {
    const { config } = options
    this.config = config
    this.interfaces = options.interfaces
    this.pool = options.pool
    this.idOf = options.idOf
    this.respond = options.respond
    this.lookUpName = options.lookUpName
    this.now = options.now
    this.background = options.background
    const logLimit = new LogLimit({ background: this.background })
    this.logLimit = logLimit
    this.admission = new Admission({
      policy: options.policy,
      limit: config.handshakeTimeout,
      background: this.background,
      onDefect: ({ address }, cause) =>
        logLimit.log(address.address, Effect.logWarning("the PeerPolicy failed: a peer is refused", cause))
    })
    this.messages = new Inbox({
      capacity: config.messageBuffer,
      byteCapacity: config.messageBufferBytes,
      sizeOf: (message) => message.payload.length
    })
    this.replacements = new Replacements({
      dial: (peer, expected, made) => this.pool.dial(expected ?? peer, this.dialFor(peer, expected, made)),
      add: (connection) => this.register(connection),
      all: (connection) => this.peers.with(connection).filter((other) => !other.isLost),
      remove: (connection) => {
        this.onLost(connection)
        connection.timeOut()
      },
      now: this.now,
      background: this.background
    })
    this.pendingInbound = new PendingInbound({
      announce: (connection) => this.accept(connection),
      verificationTimeout: config.rpcTimeout,
      background: this.background
    })
    this.incoming = new Inbox({ capacity: config.messageBuffer })
    this.incomingStreams = new Inbox({
      capacity: config.messageBuffer,
      byteCapacity: config.messageBufferBytes,
      // Only the header of a waiting stream has been read.
      sizeOf: () => header.length
    })
    this.streams = options.readsStreams ? this.incomingStreams : undefined
    this.disconnections = new Disconnections(config.messageBuffer, (warning) =>
      this.background(Effect.logWarning(warning))
    )
  }

  readonly stopped = (): boolean => this.isStopped

  /** Fails when the endpoint stops. It interrupts other waits by a race. */
  readonly untilStopped: Effect.Effect<never, EndpointStopped> = Deferred.await(this.stopping)

  stop(): void {
    this.isStopped = true
    Deferred.doneUnsafe(this.stopping, Effect.fail(new EndpointStopped()))
  }

  /** Ends the queues. Queued items can still be taken. */
  end(): void {
    this.messages.end()
    this.incoming.end()
    this.incomingStreams.end()
    this.disconnections.inbox.end()
  }

  /** Resolves the peer of an operation. */
  readonly resolve = (input: PeerAddress.Input) => target.resolve(input, this.interfaces)

  // --- finding connections -----------------------------------------------------------------------------------------

  /** The connections of the pool whose peers have accepted them, each once. */
  get list(): ReadonlyArray<Connection> {
    return [...this.peers.ids].flatMap((id) => this.pool.all(id)).filter((connection) => !this.isUndecided(connection))
  }

  /** Closes a connection that its dialler no longer waits for, unless its peer has accepted it or something was sent on it. */
  giveUp({ id, peerId }: Connection): void {
    for (const each of this.peers.of(peerId)) {
      if (each.id === id && !each.isAccepted && !each.isUsed) void this.background(each.close())
    }
  }

  /** Whether the peer has not accepted the connection yet. */
  private isUndecided({ id, peerId }: Connection): boolean {
    return this.peers.of(peerId).some((each) => each.id === id && !each.isAccepted)
  }

  /** Returns the connection to use with `peer`. */
  current({ key }: Target): Connection | undefined {
    return key === undefined ? undefined : this.pool.current(key)
  }

  /** Returns every connection with `peer`, also those that are not announced to the application yet. */
  allToClose({ key }: Target): ReadonlyArray<Connection> {
    return key === undefined ? [] : [...this.pool.all(key), ...this.pendingInbound.with(key)]
  }

  /** Returns the connection to use with a peer, or dials one. */
  readonly connect = (peer: Target): Effect.Effect<Connection, ConnectionError> => {
    const { addresses, key, peerId } = peer
    if (key !== undefined) return this.pool.connect(key, this.dial(addresses, peerId))
    return Effect.flatMap(this.lookUp(addresses[0]!), (found) => {
      const known = found.find((each) => this.pool.current(each) !== undefined) ?? found[0]
      return this.pool.connect(known, this.dial(found, undefined))
    })
  }

  /** Tries one effect for each address of a peer, in order, until one succeeds. Names are resolved when it is their turn. */
  firstOf<A, E>(
    addresses: ReadonlyArray<TargetAddress>,
    attempt: (address: NetAddress.InetAddress) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | InvalidAddress> {
    const [first, ...others] = addresses
    if (first === undefined) return Effect.never
    const tried = NetAddress.isInetAddress(first)
      ? attempt(first)
      : Effect.flatMap(this.lookUp(first), (found) => this.firstOf(found, attempt))
    return others.length === 0
      ? tried
      : Effect.catch(tried, (error) =>
          Effect.mapError(this.firstOf(others, attempt), (later) => moreTelling(error, later))
        )
  }

  private lookUp(
    name: TargetAddress
  ): Effect.Effect<readonly [NetAddress.InetAddress, ...Array<NetAddress.InetAddress>], InvalidAddress> {
    return NetAddress.isInetAddress(name) ? Effect.succeed([name]) : this.lookUpName(name)
  }

  // --- making connections ------------------------------------------------------------------------------------------

  /** Asks the program's policy about a peer. */
  readonly onHandshake = (peer: Peer, decide: (isAdmitted: boolean) => void): void => this.admission.ask(peer, decide)

  /** Takes an inbound connection from the transport. */
  readonly onConnection = (backing: BackingConnection): ConnectionEvents => {
    const connection = this.makeConnection(backing, Option.none())
    if (!this.canAccept) {
      this.refuse(backing)
      return connection
    }
    // A peer that dials may have lost its other connections, as after a crash: probe them.
    for (const other of this.peers.with(connection)) if (!other.isLost) other.checkAlive()
    this.pendingInbound.add(connection)
    return connection
  }

  private get canAccept(): boolean {
    const { messageBuffer, messageBufferBytes } = this.config
    return (
      this.disconnections.hasRoom &&
      this.makeRoom(this.pendingInbound.size) &&
      // An application that reads streams takes no messages; those that wait end with their connections.
      (this.streams ?? this.messages).waiting <= messageBuffer &&
      this.keptBytes <= messageBufferBytes
    )
  }

  private refuse(backing: BackingConnection): void {
    backing.close(ErrorCode.overloaded, "the application does not keep up")
  }

  /**
   * Makes room for another connection in the application's queue, after `others`. Returns false when there is none. In a full
   * queue, a connection that has ended gives up its place: the application gets its disconnection.
   */
  private makeRoom(others: number): boolean {
    if (this.incoming.hasRoomAfter(others)) return true
    const ended = this.incoming.find((connection) => !connection.isOpen)
    if (ended !== undefined) this.incoming.remove(ended)
    return ended !== undefined || !this.incoming.everTaken
  }

  /** Passes an inbound connection to the application. */
  private accept(connection: ConnectionImpl): void {
    if (connection.isOpen) this.register(connection)
    else this.peers.add(connection)
    this.incoming.offer(connection)
  }

  /** Dials a peer once at each address, for the pool. */
  readonly dial = (
    addresses: ReadonlyArray<TargetAddress>,
    expected: PeerId | undefined
  ): Effect.Effect<Connection, ConnectionError> =>
    addresses.length === 0
      ? Effect.fail(new PeerNotFound({ peerId: expected! }))
      : this.firstOf(addresses, (peer) => this.dialFor(peer, expected, (connection) => this.register(connection)))

  /** Dials once. `made` gets the connection at once. */
  private dialFor(
    peer: NetAddress.InetAddress,
    expected: PeerId | undefined,
    made: (connection: ConnectionImpl) => void
  ): Effect.Effect<Connection, ConnectionError> {
    return Effect.suspend(() =>
      this.disconnections.hasRoom
        ? Effect.map(this.dialOutsidePool(peer, constVoid, expected), (connection) => {
            made(connection)
            return connection.surfaced
          })
        : Effect.fail(new TooManyConnections({ limit: this.config.messageBuffer }))
    )
  }

  /** Dials once, for a connection outside the pool. `made` gets the connection before anything is sent on it. */
  private readonly dialOutsidePool = (
    peer: NetAddress.InetAddress,
    made: (connection: ConnectionImpl) => void = constVoid,
    expected?: PeerId
  ): Effect.Effect<ConnectionImpl, ConnectionError> =>
    Effect.callback<ConnectionImpl, ConnectionError>((resume) => {
      if (this.isStopped || this.socket === undefined) return resume(Effect.fail(new EndpointStopped()))
      const detail = undiallable(peer, this.interfaces)
      if (detail !== undefined) return resume(Effect.fail(new InvalidAddress({ input: String(peer), detail })))
      const events: DialEvents = {
        onConnected: (backing) => {
          const connection = this.makeConnection(backing, Option.some(peer), expected)
          made(connection)
          resume(Effect.succeed(connection))
          return connection
        },
        onFailed: (error) => resume(Effect.fail(this.isStopped ? new EndpointStopped() : error))
      }
      const giveUp = this.socket.dial(peer, events, expected)
      return Effect.sync(giveUp)
    })

  /**
   * Checks that a peer can be dialled, over a new connection that it closes again: an open one would prove nothing. It sends
   * an echo question with the last packet of the handshake, by which the peer recognises a verification.
   */
  readonly probe = (
    peer: NetAddress.InetAddress,
    limit: Duration.Duration = this.config.rpcTimeout,
    expected?: PeerId
  ): Effect.Effect<void, RpcError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        let answer: Effect.Effect<unknown, RpcError> = Effect.never
        const askAtOnce = (connection: ConnectionImpl) => {
          answer = Fiber.join(this.background(this.ask(connection, { _tag: "EndpointEchoReq" })))
        }
        return restore(this.dialOutsidePool(peer, askAtOnce, expected)).pipe(
          Effect.mapError((error) => new ConnectionLost({ reason: error })),
          Effect.flatMap((connection) => Effect.ensuring(restore(answer), connection.close()))
        )
      })
    ).pipe(
      Effect.timeoutOrElse({
        duration: limit,
        orElse: () => Effect.fail(new RpcTimedOut({ peer }))
      }),
      Effect.asVoid
    )

  /** Checks that a peer can be dialled at one of its addresses, as `probe` does. */
  probeTarget({ addresses, peerId }: Target): Effect.Effect<void, RpcError> {
    if (addresses.length === 0) return lost(new PeerNotFound({ peerId: peerId! }))
    return Effect.catchTag(
      this.firstOf(addresses, (address) => this.probe(address, this.config.rpcTimeout, peerId)),
      "InvalidAddress",
      lost
    )
  }

  /** Asks a peer over an existing connection. */
  readonly ask = (
    connection: Connection,
    question: WireMessage.ControlMessage
  ): Effect.Effect<WireMessage.WireMessage, RpcError> =>
    ask(connection, question, { limit: this.config.rpcTimeout, maxMessageSize: this.config.maxMessageSize })

  private makeConnection(
    backing: BackingConnection,
    dialled: Option.Option<NetAddress.InetAddress>,
    expected?: PeerId
  ): ConnectionImpl {
    const id = this.idOf(Option.getOrElse(dialled, () => backing.remoteAddress))
    return new ConnectionImpl(id, backing, this, dialled, expected)
  }

  private register(connection: ConnectionImpl): void {
    if (!connection.isOpen || this.peers.has(connection)) return
    this.replacements.onNewConnection(connection)
    this.peers.add(connection)
    const { peerId } = connection
    const before = this.pool.all(peerId)
    this.pool.add(connection, connection.seniority)
    // The pool may keep a wrapper in place of the connection: the endpoint then uses the wrapper.
    const added = this.pool.all(peerId).filter((other) => !before.includes(other))
    if (added.length === 1) connection.surfaced = added[0]!
  }

  // --- events of connections ---------------------------------------------------------------------------------------

  readonly onControl = (
    connection: ConnectionImpl,
    message: WireMessage.ControlMessage,
    reply: Reply | undefined
  ): void => {
    if (reply === undefined) return
    if (message._tag === "EndpointEchoReq") this.pendingInbound.onEcho(connection)
    const asker: Bootstrap.Asker = {
      remoteAddress: connection.remoteAddress,
      // Half of the time of a question, so that the answer arrives in time even when the peer is not reachable.
      // Another peer at that address would say nothing about the asker.
      isReachable: (address) =>
        Effect.isSuccess(this.probe(address, Duration.times(this.config.rpcTimeout, 0.5), connection.peerId))
    }
    const answer = Effect.onExit(this.respond(asker, message), (exit) =>
      Effect.sync(() => reply.answer(Exit.isSuccess(exit) ? Option.getOrUndefined(exit.value) : undefined))
    )
    reply.question(() => this.background(answer))
  }

  readonly onUsed = (connection: ConnectionImpl): void => this.pendingInbound.onUsed(connection)

  readonly onAccepted: (connection: ConnectionImpl) => void = constVoid

  readonly onMoved = (connection: ConnectionImpl): void => {
    this.peers.readdress(connection)
    this.pool.readdress(connection)
  }

  readonly onUnresponsive = (connection: ConnectionImpl): void => {
    if (this.peers.has(connection)) this.replacements.onUnresponsive(connection)
  }

  readonly onStreamsHeld = (connection: ConnectionImpl, { kind, count }: HeldStreams): void => {
    const { remoteAddress } = connection
    const why = {
      UnfinishedSends: `streams to ${remoteAddress} wait: ${count} that were opened here are not finished`,
      UnfinishedReplies: `${remoteAddress} can open no more streams: ${count} replies to it are not finished`,
      UnreadAnswers: `streams to ${remoteAddress} wait: ${count} answers are not finished there, or not read here`
    }
    this.logLimit.log(remoteAddress.address, Effect.logWarning(why[kind]))
  }

  readonly onMalformed = (connection: ConnectionImpl, reason: string): void =>
    this.logLimit.log(
      connection.remoteAddress.address,
      Effect.logDebug(`stopped a stream of ${connection.remoteAddress}: ${reason}`)
    )

  readonly onKept = (bytes: number): void => void (this.keptBytes += bytes)

  readonly onLost = (connection: ConnectionImpl): void => this.removeFromPool(connection)

  private removeFromPool(connection: ConnectionImpl): void {
    connection.isLost = true
    this.pool.remove(connection)
  }

  readonly onClosed = (connection: ConnectionImpl, reason: Close): void => {
    this.pendingInbound.onClosed(connection)
    this.removeFromPool(connection)
    if (!this.peers.delete(connection)) return
    this.streams?.removeAll((stream) => stream.connection === connection.surfaced)
    const isUntold =
      connection.direction === "Inbound" && this.incoming.find((other) => other === connection) !== undefined
    // The application does not know the connection, and the peer used it only for verification.
    const wasVerification = isUntold && connection.hasEchoed && !connection.isUsed
    // An application that does not take connections must not accumulate ended ones.
    if (isUntold && (wasVerification || !this.incoming.everTaken)) this.incoming.remove(connection)
    if (wasVerification) return
    // The peer has refused it, so that `connectTo` has failed.
    if (!connection.isAccepted) return
    const { dialledAddress, id, peerId, remoteAddress } = connection
    const last = this.peers.of(peerId).length === 0
    this.disconnections.report({ peer: remoteAddress, peerId, dialledAddress, connectionId: id, reason, last })
  }
}

/** Picks the error of a peer that could be dialled at none of its addresses: one after which to try again, if there is one. */
const moreTelling = <E, L>(first: E, later: L): E | L => {
  const isTransientError = (error: unknown) => isTransient(error as ConnectionError)
  return isTransientError(later) && !isTransientError(first) ? later : first
}

const lost = (reason: ConnectionError): Effect.Effect<never, ConnectionLost> =>
  Effect.fail(new ConnectionLost({ reason }))
