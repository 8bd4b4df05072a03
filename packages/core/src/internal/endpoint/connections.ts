/**
 * Every connection of an endpoint, between the transport and the queues that the application takes from.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import { undiallable } from "../../Address.ts"
import type * as Bootstrap from "../../Bootstrap.ts"
import type { Close } from "../../Close.ts"
import type { Connection } from "../../Connection.ts"
import { type ConnectionError, EndpointStopped, InvalidAddress, TooManyConnections } from "../../ConnectionError.ts"
import type { ConnectionId } from "../../ConnectionId.ts"
import type { Pool } from "../../ConnectionPool.ts"
import type { Disconnection } from "../../Disconnection.ts"
import type { EndpointConfig } from "../../EndpointConfig.ts"
import type { IncomingMessage } from "../../IncomingMessage.ts"
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
import { ConnectionImpl, type ConnectionOwner } from "../connection/connection.ts"
import { Replacements } from "./replacements.ts"
import type { Reply } from "../connection/reply.ts"
import { DialledConnections } from "./dialledConnections.ts"
import { Inbox } from "./inbox.ts"

export class Connections implements ConnectionOwner {
  readonly config: EndpointConfig
  readonly pool: Pool
  readonly messages: Inbox<IncomingMessage>
  readonly incoming: Inbox<Connection>
  readonly disconnections: Inbox<Disconnection>
  /** Set by `bind`, before anything can be dialled. */
  socket: BackingSocket | undefined = undefined
  private isStopped = false
  private readonly stopping = Deferred.makeUnsafe<never, EndpointStopped>()
  private warned = false
  /** Connections that the application has been or will be told of. */
  private readonly announced = new Set<Connection>()
  private readonly dialled = new DialledConnections<ConnectionImpl>()
  private readonly nameOf: (peer: NetAddress.InetAddress) => ConnectionId
  private readonly respond: Bootstrap.Bootstrap["Service"]["respond"]
  private readonly background: (effect: Effect.Effect<unknown>) => void
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
    readonly background: (effect: Effect.Effect<unknown>) => void
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
      all: (connection) => this.allWithPeerOf(connection),
      remove: (connection) => {
        this.onLost(connection)
        connection.timeOut()
      },
      now: options.now,
      background: this.background
    })
    this.incoming = new Inbox({ capacity: config.messageBuffer })
    this.disconnections = new Inbox({ capacity: config.messageBuffer })
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
    this.disconnections.end()
  }

  /** An address as a caller writes it. */
  readonly resolve = (input: NetAddress.InetAddress | string) => address.resolve(input, this.interfaces)

  // --- finding connections -----------------------------------------------------------------------------------------

  /**
   * The connection to use with `peer`: one whose peer is there now, or else one that was dialled there and whose peer is
   * elsewhere.
   */
  current(peer: NetAddress.InetAddress): Connection | undefined {
    return this.pool.current(peer) ?? this.dialled.all(peer).find(this.isPooled)
  }

  /** Every connection with `peer`, the one to use first. */
  all(peer: NetAddress.InetAddress): ReadonlyArray<Connection> {
    const there = this.pool.all(peer)
    const elsewhere = this.dialled.all(peer).filter((connection) => !there.includes(connection))
    return [...there, ...elsewhere.filter(this.isPooled)]
  }

  /** Every connection with the peer of one: wherever that is, and where it was dialled. */
  private allWithPeerOf({ dialledAddress, remoteAddress }: Connection): ReadonlyArray<ConnectionImpl> {
    const there = this.all(remoteAddress)
    const named = Option.isSome(dialledAddress) ? this.all(dialledAddress.value) : []
    const all: ReadonlyArray<Connection> = [...there, ...named.filter((connection) => !there.includes(connection))]
    return all as ReadonlyArray<ConnectionImpl>
  }

  /** The connection to use with `peer`, or a new one. */
  readonly connect = (peer: NetAddress.InetAddress): Effect.Effect<Connection, ConnectionError> =>
    Effect.suspend(() => {
      const elsewhere = this.pool.current(peer) === undefined ? this.current(peer) : undefined
      return elsewhere === undefined ? this.pool.connect(peer, this.dial(peer)) : Effect.succeed(elsewhere)
    })

  /** What the pool has given up must not be found by another name. */
  private readonly isPooled = (connection: Connection): boolean =>
    this.pool.current(connection.remoteAddress) === connection ||
    this.pool.all(connection.remoteAddress).includes(connection)

  // --- making connections ------------------------------------------------------------------------------------------

  /** A peer dialled us. */
  readonly onConnection = (backing: BackingConnection): ConnectionEvents => {
    const connection = this.wrap(backing, Option.none())
    if (!this.mayDisconnect || !this.makeRoom() || this.messages.waiting > this.config.messageBuffer) {
      backing.close(ErrorCode.overloaded, "the application does not keep up")
      return connection
    }
    // A peer that dials may have lost the connections it had, as after a crash: those are not to be used for long.
    for (const other of this.all(connection.remoteAddress)) (other as ConnectionImpl).checkAlive()
    this.announce(connection)
    this.incoming.offer(connection)
    return connection
  }

  /**
   * Whether the application can be told of a further connection. Where too many wait already, one that has ended in the
   * meantime gives its place up: its end is told of as a disconnection.
   */
  private makeRoom(): boolean {
    if (this.incoming.hasRoom) return true
    const ended = this.incoming.find((connection) => !(connection as ConnectionImpl).isOpen)
    if (ended !== undefined) this.incoming.remove(ended)
    return ended !== undefined || !this.incoming.everAsked
  }

  /** Dials once, for the pool. */
  readonly dial = (peer: NetAddress.InetAddress): Effect.Effect<Connection, ConnectionError> =>
    this.dialFor(peer, (connection) => this.announce(connection))

  /** Dials once; `made` is told at once of the connection that comes of it. */
  private dialFor(
    peer: NetAddress.InetAddress,
    made: (connection: ConnectionImpl) => void
  ): Effect.Effect<ConnectionImpl, ConnectionError> {
    return Effect.suspend(() =>
      this.mayDisconnect
        ? Effect.tap(this.dialApart(peer), (connection) => Effect.sync(() => made(connection)))
        : Effect.fail(new TooManyConnections({ limit: this.config.messageBuffer }))
    )
  }

  /** Dials once, for a connection that stays out of the pool. */
  private readonly dialApart = (peer: NetAddress.InetAddress): Effect.Effect<ConnectionImpl, ConnectionError> =>
    Effect.callback<ConnectionImpl, ConnectionError>((resume) => {
      if (this.isStopped || this.socket === undefined) return resume(Effect.fail(new EndpointStopped()))
      const detail = undiallable(peer, this.interfaces)
      if (detail !== undefined) return resume(Effect.fail(new InvalidAddress({ input: String(peer), detail })))
      const giveUp = this.socket.dial(peer, {
        onConnected: (backing) => {
          const connection = this.wrap(backing, Option.some(peer))
          resume(Effect.succeed(connection))
          return connection
        },
        onFailed: (error) => resume(Effect.fail(this.isStopped ? new EndpointStopped() : error))
      })
      return Effect.sync(giveUp)
    })

  /** Asks a peer over a connection made for this, and closed again: an open one would prove nothing. */
  readonly probe = (
    peer: NetAddress.InetAddress,
    limit: Duration.Duration = this.config.rpcTimeout
  ): Effect.Effect<void, RpcError> =>
    Effect.uninterruptibleMask((restore) =>
      restore(this.dialApart(peer)).pipe(
        Effect.mapError((error) => new ConnectionLost({ reason: error })),
        Effect.flatMap((connection) =>
          Effect.ensuring(restore(this.ask(connection, { _tag: "EndpointEchoReq" })), connection.close())
        )
      )
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
    Effect.suspend(() => {
      const { abandon, answer } = (connection as ConnectionImpl).ask(question)
      return answer.pipe(
        Effect.timeoutOrElse({
          duration: this.config.rpcTimeout,
          orElse: () => Effect.fail(new RpcTimedOut({ peer: connection.remoteAddress }))
        }),
        Effect.onError(() => abandon)
      )
    })

  private wrap(backing: BackingConnection, dialled: Option.Option<NetAddress.InetAddress>): ConnectionImpl {
    const id = this.nameOf(Option.getOrElse(dialled, () => backing.remoteAddress))
    return new ConnectionImpl(id, backing, this, dialled)
  }

  private announce(connection: ConnectionImpl): void {
    if (!connection.isOpen || this.announced.has(connection)) return
    this.replacements.note(connection)
    this.announced.add(connection)
    this.pool.add(connection, connection.seniority)
    this.dialled.add(connection)
  }

  // --- what connections tell ---------------------------------------------------------------------------------------

  readonly onControl = (
    connection: ConnectionImpl,
    message: WireMessage.ControlMessage,
    reply: Reply | undefined
  ): void => {
    if (reply === undefined) return
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

  readonly onMoved = (connection: ConnectionImpl): void => this.pool.readdress(connection)

  readonly onUnresponsive = (connection: ConnectionImpl): void => {
    if (this.announced.has(connection)) this.replacements.consider(connection)
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
    this.background(Effect.logDebug(`stopped a stream of ${connection.remoteAddress}: ${reason}`))

  readonly onLost = (connection: ConnectionImpl): void => this.forget(connection)

  private forget(connection: ConnectionImpl): void {
    this.pool.remove(connection)
    this.dialled.remove(connection)
  }

  readonly onClosed = (connection: ConnectionImpl, reason: Close): void => {
    this.forget(connection)
    if (!this.announced.delete(connection)) return
    // An application that does not follow connections must not be made to keep those that have ended.
    if (!this.incoming.everAsked) this.incoming.remove(connection)
    const { dialledAddress, id, remoteAddress } = connection
    this.report({ peer: remoteAddress, dialledAddress, connectionId: id, reason })
  }

  private report(disconnection: Disconnection): void {
    if (!this.disconnections.hasRoom && !this.disconnections.everAsked) {
      this.disconnections.dropOldest()
      if (!this.warned) {
        this.warned = true
        this.background(Effect.logWarning("nobody takes disconnections: only the latest are kept until somebody does"))
      }
    }
    this.disconnections.offer(disconnection)
  }

  /**
   * Whether a further connection could report its end. An application that takes disconnections gets each of them, so
   * when it falls far behind, new connections have to wait.
   */
  private get mayDisconnect(): boolean {
    return this.disconnections.hasRoom || !this.disconnections.everAsked
  }
}
