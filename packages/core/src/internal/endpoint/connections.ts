/**
 * Every connection of an endpoint, between the transport and the queues that the application takes from.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import { undiallable } from "../../Address.ts"
import type * as Bootstrap from "../../Bootstrap.ts"
import type { Close } from "../../Close.ts"
import type { Connection } from "../../Connection.ts"
import { type ConnectionError, EndpointStopped, InvalidAddress, TooManyConnections } from "../../ConnectionError.ts"
import type { ConnectionId } from "../../ConnectionId.ts"
import type { Pool } from "../../ConnectionPool.ts"
import type { EndpointConfig } from "../../EndpointConfig.ts"
import type { IncomingMessage } from "../../IncomingMessage.ts"
import type { IncomingStream } from "../../IncomingStream.ts"
import { type RpcError, RpcTimedOut } from "../../RpcError.ts"
import { ConnectionLost } from "../../SendError.ts"
import type {
  BackingConnection,
  BackingSocket,
  ConnectionEvents,
  HeldStreams,
  NetworkInterface
} from "../../Transport.ts"
import type * as WireMessage from "../../WireMessage.ts"
import * as address from "../address.ts"
import * as ErrorCode from "../../ErrorCode.ts"
import { addressKey } from "../addressKey.ts"
import { ConnectionImpl, type ConnectionOwner } from "../connection/connection.ts"
import type { Reply } from "../connection/reply.ts"
import * as header from "../wire/header.ts"
import { Arrivals } from "./arrivals.ts"
import { ask } from "./asking.ts"
import { Disconnections } from "./disconnections.ts"
import { Inbox } from "./inbox.ts"
import { Peers } from "./peers.ts"
import { Replacements } from "./replacements.ts"

export class Connections implements ConnectionOwner {
  readonly config: EndpointConfig
  readonly pool: Pool
  readonly messages: Inbox<IncomingMessage>
  /** Empty for ever when streams are read as messages. */
  readonly incomingStreams: Inbox<IncomingStream>
  readonly streams: Inbox<IncomingStream> | undefined
  readonly incoming: Inbox<ConnectionImpl>
  readonly disconnections: Disconnections
  /** Set by `bind`, before anything can be dialled. */
  socket: BackingSocket | undefined = undefined
  private isStopped = false
  private readonly stopping = Deferred.makeUnsafe<never, EndpointStopped>()
  /** Connections that the application has been or will be told of. */
  private readonly peers = new Peers<ConnectionImpl>()
  private readonly arrivals = new Arrivals((connection) => this.arrived(connection))
  private readonly nameOf: (peer: NetAddress.InetAddress) => ConnectionId
  private readonly respond: Bootstrap.Bootstrap["Service"]["respond"]
  private readonly background: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  readonly interfaces: () => ReadonlyArray<NetworkInterface>
  private readonly replacements: Replacements

  constructor(options: {
    readonly config: EndpointConfig
    /** Those of the machine, as far as the transport tells. */
    readonly interfaces: () => ReadonlyArray<NetworkInterface>
    readonly pool: Pool
    readonly nameOf: (peer: NetAddress.InetAddress) => ConnectionId
    readonly respond: Bootstrap.Bootstrap["Service"]["respond"]
    /** Milliseconds of a clock that nobody sets. */
    readonly now: () => number
    /** Runs an effect for as long as the endpoint lives. */
    readonly background: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
    /** Whether the application reads the streams that peers open, or the endpoint reads messages from them. */
    readonly readsStreams: boolean
  }) {
    const { config } = options
    this.config = config
    this.interfaces = options.interfaces
    this.pool = options.pool
    this.nameOf = options.nameOf
    this.respond = options.respond
    this.background = options.background
    this.messages = new Inbox({
      capacity: config.messageBuffer,
      byteCapacity: config.messageBufferBytes,
      sizeOf: (message) => message.payload.length
    })
    this.replacements = new Replacements({
      dial: (peer, made) => this.pool.dial(peer, this.dialFor(peer, made)),
      add: (connection) => this.announce(connection),
      all: (connection) => this.peers.with(connection).filter((other) => !other.isLost),
      remove: (connection) => {
        this.onLost(connection)
        connection.timeOut()
      },
      now: options.now,
      background: this.background
    })
    this.incoming = new Inbox({ capacity: config.messageBuffer })
    this.incomingStreams = new Inbox({
      capacity: config.messageBuffer,
      byteCapacity: config.messageBufferBytes,
      // Nothing else of a stream is read before the application reads it.
      sizeOf: () => header.length
    })
    this.streams = options.readsStreams ? this.incomingStreams : undefined
    this.disconnections = new Disconnections(config.messageBuffer, (warning) =>
      this.background(Effect.logWarning(warning))
    )
  }

  readonly stopped = (): boolean => this.isStopped

  /** Fails when the endpoint stops; for those who wait for something else. */
  readonly untilStopped: Effect.Effect<never, EndpointStopped> = Deferred.await(this.stopping)

  stop(): void {
    this.isStopped = true
    Deferred.doneUnsafe(this.stopping, Effect.fail(new EndpointStopped()))
  }

  /** What is queued can still be taken. */
  end(): void {
    this.messages.end()
    this.incoming.end()
    this.incomingStreams.end()
    this.disconnections.inbox.end()
  }

  /** An address as a caller writes it. */
  readonly resolve = (input: NetAddress.InetAddress | string) => address.resolve(input, this.interfaces)

  // --- finding connections -----------------------------------------------------------------------------------------

  /** Those of the pool, each once. */
  get list(): ReadonlyArray<Connection> {
    const addresses = new Map<string, NetAddress.InetAddress>()
    for (const { remoteAddress } of this.peers.connections) addresses.set(addressKey(remoteAddress), remoteAddress)
    return [...addresses.values()].flatMap((address) => this.pool.all(address))
  }

  /**
   * The connection to use with `peer`: one whose peer is there now, or else one that was dialled there and whose peer is
   * elsewhere.
   */
  current(peer: NetAddress.InetAddress): Connection | undefined {
    return this.pool.current(peer) ?? this.currentElsewhere(peer)
  }

  /** Messages may be addressed like this, so it looks at the most likely one first. */
  private currentElsewhere(peer: NetAddress.InetAddress): Connection | undefined {
    const dialled = this.peers.dialled.all(peer)
    if (dialled.length === 0) return undefined
    const likely = this.pool.current(dialled[0]!.remoteAddress)
    return likely !== undefined && wasDialledAt(likely, addressKey(peer)) ? likely : this.elsewhere(peer)[0]
  }

  /** Every connection with `peer`, the one to use first. */
  all(peer: NetAddress.InetAddress): ReadonlyArray<Connection> {
    return [...this.pool.all(peer), ...this.elsewhere(peer)]
  }

  /**
   * Those that were dialled at `peer` and are found elsewhere now. What the pool has given up must not be found by another
   * name; and what it keeps may be a wrapper, which tells where it was dialled as the connection itself does.
   */
  private elsewhere(peer: NetAddress.InetAddress): ReadonlyArray<Connection> {
    const key = addressKey(peer)
    const seen = new Set([key])
    return this.peers.dialled.all(peer).flatMap(({ remoteAddress }) => {
      const place = addressKey(remoteAddress)
      if (seen.has(place)) return []
      seen.add(place)
      return this.pool.all(remoteAddress).filter((connection) => wasDialledAt(connection, key))
    })
  }

  /** The connection to use with `peer`, or a new one. */
  readonly connect = (peer: NetAddress.InetAddress): Effect.Effect<Connection, ConnectionError> =>
    Effect.suspend(() => {
      const elsewhere = this.pool.current(peer) === undefined ? this.current(peer) : undefined
      return elsewhere === undefined ? this.pool.connect(peer, this.dial(peer)) : Effect.succeed(elsewhere)
    })

  // --- making connections ------------------------------------------------------------------------------------------

  /** A peer dialled us. */
  readonly onConnection = (backing: BackingConnection): ConnectionEvents => {
    const connection = this.wrap(backing, Option.none())
    if (!this.mayArrive) {
      this.refuse(backing)
      return connection
    }
    // A peer that dials may have lost the connections it had, as after a crash: those are not to be used for long.
    for (const other of this.peers.with(connection)) if (!other.isLost) other.checkAlive()
    this.arrivals.add(connection)
    return connection
  }

  private get mayArrive(): boolean {
    const { messageBuffer } = this.config
    return (
      this.disconnections.hasRoom &&
      this.makeRoom(this.arrivals.size) &&
      this.messages.waiting <= messageBuffer &&
      this.incomingStreams.waiting <= messageBuffer
    )
  }

  private refuse(backing: BackingConnection): void {
    backing.close(ErrorCode.overloaded, "the application does not keep up")
  }

  /**
   * Whether the application can be told of a further connection, after so many others. Where too many wait already, one that
   * has ended in the meantime gives its place up: its end is told of as a disconnection.
   */
  private makeRoom(others: number): boolean {
    if (this.incoming.hasRoomAfter(others)) return true
    const ended = this.incoming.find((connection) => !connection.isOpen)
    if (ended !== undefined) this.incoming.remove(ended)
    return ended !== undefined || !this.incoming.everAsked
  }

  /** The application is told of a connection that a peer has made. */
  private arrived(connection: ConnectionImpl): void {
    if (connection.isOpen) this.announce(connection)
    else this.peers.add(connection)
    this.incoming.offer(connection)
  }

  /** Dials once, for the pool. */
  readonly dial = (peer: NetAddress.InetAddress): Effect.Effect<Connection, ConnectionError> =>
    this.dialFor(peer, (connection) => this.announce(connection))

  /** Dials once; `made` is told at once of the connection that comes of it. */
  private dialFor(
    peer: NetAddress.InetAddress,
    made: (connection: ConnectionImpl) => void
  ): Effect.Effect<Connection, ConnectionError> {
    return Effect.suspend(() =>
      this.disconnections.hasRoom
        ? Effect.map(this.dialApart(peer), (connection) => {
            made(connection)
            return connection.surfaced
          })
        : Effect.fail(new TooManyConnections({ limit: this.config.messageBuffer }))
    )
  }

  /** Dials once, for a connection that stays out of the pool. `made` is told of it before anything is sent on it. */
  private readonly dialApart = (
    peer: NetAddress.InetAddress,
    made: (connection: ConnectionImpl) => void = constVoid
  ): Effect.Effect<ConnectionImpl, ConnectionError> =>
    Effect.callback<ConnectionImpl, ConnectionError>((resume) => {
      if (this.isStopped || this.socket === undefined) return resume(Effect.fail(new EndpointStopped()))
      const detail = undiallable(peer, this.interfaces)
      if (detail !== undefined) return resume(Effect.fail(new InvalidAddress({ input: String(peer), detail })))
      const giveUp = this.socket.dial(peer, {
        onConnected: (backing) => {
          const connection = this.wrap(backing, Option.some(peer))
          made(connection)
          resume(Effect.succeed(connection))
          return connection
        },
        onFailed: (error) => resume(Effect.fail(this.isStopped ? new EndpointStopped() : error))
      })
      return Effect.sync(giveUp)
    })

  /**
   * Asks a peer over a connection made for this, and closed again: an open one would prove nothing. The question goes with
   * the last packet of the handshake, by which the peer knows what the connection is for.
   */
  readonly probe = (
    peer: NetAddress.InetAddress,
    limit: Duration.Duration = this.config.rpcTimeout
  ): Effect.Effect<void, RpcError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        let answer: Effect.Effect<unknown, RpcError> = Effect.never
        const askAtOnce = (connection: ConnectionImpl) => {
          answer = Fiber.join(this.background(this.ask(connection, { _tag: "EndpointEchoReq" })))
        }
        return restore(this.dialApart(peer, askAtOnce)).pipe(
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

  /** Asks a peer over the connection there is. */
  readonly ask = (
    connection: Connection,
    question: WireMessage.ControlMessage
  ): Effect.Effect<WireMessage.WireMessage, RpcError> =>
    ask(connection, question, { limit: this.config.rpcTimeout, maxMessageSize: this.config.maxMessageSize })

  private wrap(backing: BackingConnection, dialled: Option.Option<NetAddress.InetAddress>): ConnectionImpl {
    const id = this.nameOf(Option.getOrElse(dialled, () => backing.remoteAddress))
    return new ConnectionImpl(id, backing, this, dialled)
  }

  private announce(connection: ConnectionImpl): void {
    if (!connection.isOpen || this.peers.has(connection)) return
    this.replacements.note(connection)
    this.peers.add(connection)
    const { remoteAddress } = connection
    const before = this.pool.all(remoteAddress)
    this.pool.add(connection, connection.seniority)
    // The pool may keep something else in its place, such as a wrapper that counts: that is what is used then.
    const added = this.pool.all(remoteAddress).filter((other) => !before.includes(other))
    if (added.length === 1) connection.surfaced = added[0]!
  }

  // --- what connections tell ---------------------------------------------------------------------------------------

  readonly onControl = (
    connection: ConnectionImpl,
    message: WireMessage.ControlMessage,
    reply: Reply | undefined
  ): void => {
    if (reply === undefined) return
    if (message._tag === "EndpointEchoReq") this.arrivals.onEcho(connection)
    const asker: Bootstrap.Asker = {
      remoteAddress: connection.remoteAddress,
      // Half of what a question may take: the answer no must still arrive in time.
      isReachable: (address) => Effect.isSuccess(this.probe(address, Duration.times(this.config.rpcTimeout, 0.5)))
    }
    const answer = Effect.onExit(this.respond(asker, message), (exit) =>
      Effect.sync(() => reply.answer(Exit.isSuccess(exit) ? Option.getOrUndefined(exit.value) : undefined))
    )
    reply.question(() => this.background(answer))
  }

  readonly onUsed = (connection: ConnectionImpl): void => this.arrivals.onUsed(connection)

  readonly onMoved = (connection: ConnectionImpl): void => {
    this.peers.readdress(connection)
    this.pool.readdress(connection)
  }

  readonly onUnresponsive = (connection: ConnectionImpl): void => {
    if (this.peers.has(connection)) this.replacements.consider(connection)
  }

  readonly onStreamsHeld = (connection: ConnectionImpl, { by, count }: HeldStreams): void => {
    const { remoteAddress } = connection
    const why = {
      Opener: `streams to ${remoteAddress} wait: ${count} that were opened here are not finished`,
      Answerer: `${remoteAddress} can open no more streams: ${count} replies to it are not finished`,
      Answers: `streams to ${remoteAddress} wait: ${count} answers are not finished there, or not read here`
    }
    this.background(Effect.logWarning(why[by]))
  }

  readonly onMalformed = (connection: ConnectionImpl, reason: string): void =>
    void this.background(Effect.logDebug(`stopped a stream of ${connection.remoteAddress}: ${reason}`))

  readonly onLost = (connection: ConnectionImpl): void => this.forget(connection)

  private forget(connection: ConnectionImpl): void {
    connection.isLost = true
    this.pool.remove(connection)
  }

  readonly onClosed = (connection: ConnectionImpl, reason: Close): void => {
    this.arrivals.onClosed(connection)
    this.forget(connection)
    if (!this.peers.delete(connection)) return
    this.streams?.removeAll((stream) => stream.connection === connection.surfaced)
    const isUntold =
      connection.direction === "Inbound" && this.incoming.find((other) => other === connection) !== undefined
    // Nobody knows of it, and the peer has only looked whether this endpoint can be reached.
    const wasVerification = isUntold && connection.hasEchoed && !connection.isUsed
    // An application that does not follow connections must not be made to keep those that have ended.
    if (isUntold && (wasVerification || !this.incoming.everAsked)) this.incoming.remove(connection)
    if (wasVerification) return
    const { dialledAddress, id, remoteAddress } = connection
    const last = this.peers.with(connection).length === 0
    this.disconnections.report({ peer: remoteAddress, dialledAddress, connectionId: id, reason, last })
  }
}

const wasDialledAt = ({ dialledAddress }: Connection, key: string): boolean =>
  Option.isSome(dialledAddress) && addressKey(dialledAddress.value) === key
