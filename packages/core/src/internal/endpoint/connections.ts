/**
 * The connections of an endpoint, between the transport and the application's queues.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type * as Bootstrap from "../../Bootstrap.ts"
import type { Close } from "../../Close.ts"
import type { Connection } from "../../Connection.ts"
import { type ConnectionError, EndpointStopped } from "../../ConnectionError.ts"
import type { ConnectionId } from "../../ConnectionId.ts"
import type { Pool } from "../../ConnectionPool.ts"
import type { EndpointConfig } from "../../EndpointConfig.ts"
import type { IncomingMessage } from "../../IncomingMessage.ts"
import type { IncomingStream } from "../../IncomingStream.ts"
import type * as PeerAddress from "../../PeerAddress.ts"
import type { PeerId } from "../../PeerId.ts"
import type { Peer } from "../../PeerPolicy.ts"
import type {
  BackingConnection,
  BackingRecvStream,
  BackingSendStream,
  BackingSocket,
  ConnectionEvents,
  HeldStreams,
  NetworkInterface,
  RecvEvents
} from "../../Transport.ts"
import type * as WireMessage from "../../WireMessage.ts"
import * as ErrorCode from "../../ErrorCode.ts"
import { ConnectionImpl } from "../connection/connection.ts"
import type { ConnectionOwner } from "../connection/connectionOwner.ts"
import * as args from "../arguments.ts"
import type { Reply } from "../connection/reply.ts"
import type { FairInbox } from "../fairInbox.ts"
import type { DatagramInbox } from "../datagramInbox.ts"
import { ipPrefix } from "../ipPrefix.ts"
import { LogLimit } from "../logLimit.ts"
import { VerificationBudget } from "../verificationBudget.ts"
import { Admission } from "./admission.ts"
import { PendingInbound } from "./pendingInbound.ts"
import { answerWith } from "./answering.ts"
import { Dials, type DialsOwner, type LookUp } from "./dials.ts"
import { Peers } from "./peers.ts"
import { Protocols } from "./protocols.ts"
import { Queues } from "./queues.ts"
import { maxProbed, Replacements } from "./replacements.ts"
import { SharedDials } from "./sharedDials.ts"
import * as target from "./target.ts"
import type { Target } from "./target.ts"

/** The connections of one endpoint. */
export class Connections implements ConnectionOwner<ConnectionImpl>, DialsOwner {
  readonly config: EndpointConfig
  readonly pool: Pool
  readonly queues: Queues
  readonly dials: Dials
  /** The bound socket, set before the first dial. */
  socket: BackingSocket | undefined = undefined
  private isStopped = false
  private readonly stopping = Deferred.makeUnsafe<never, EndpointStopped>()
  /** The connections that the application knows or will get. */
  private readonly peers = new Peers<ConnectionImpl>()
  private readonly pendingInbound: PendingInbound
  private readonly idOf: (peer: NetAddress.InetAddress) => ConnectionId
  private readonly answer: ReturnType<typeof answerWith>
  readonly now: () => number
  readonly background: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  readonly interfaces: () => ReadonlyArray<NetworkInterface>
  private readonly sharedDials: SharedDials
  private readonly replacements: Replacements
  private readonly admission: Admission
  readonly lookUpName: LookUp
  private readonly logLimit: LogLimit
  private readonly debugLimit: LogLimit
  readonly protocols: Protocols
  private readonly verificationBudget = new VerificationBudget<ConnectionImpl>(({ counters }) => counters.bytesReceived)

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
    this.lookUpName = options.lookUpName
    this.now = options.now
    this.background = options.background
    this.answer = answerWith({ respond: options.respond, background: this.background })
    this.dials = new Dials(this)
    this.sharedDials = new SharedDials({
      dial: (addresses, peerId) => this.dials.forPool(addresses, peerId),
      join: (peerId, dial) => this.pool.connect(peerId, dial)
    })
    const logLimit = new LogLimit({ level: "Warn", background: this.background })
    this.logLimit = logLimit
    this.debugLimit = new LogLimit({ level: "Debug", background: this.background })
    this.admission = new Admission({
      policy: options.policy,
      limit: config.handshakeTimeout,
      background: this.background,
      now: this.now,
      onFault: ({ address }, fault, cause) => {
        const line = `the PeerPolicy ${fault}: a peer is refused`
        logLimit.log(address.address, cause === undefined ? Effect.logWarning(line) : Effect.logWarning(line, cause))
      }
    })
    this.protocols = new Protocols({
      onRefused: ({ remoteAddress }, protocol, kind) =>
        this.debugLimit.log(
          remoteAddress.address,
          Effect.logDebug(`refused a stream of ${remoteAddress}: the protocol ${args.quoted(protocol)} (${kind})`)
        ),
      onLost: ({ remoteAddress }, protocol, { message }) =>
        this.debugLimit.log(
          remoteAddress.address,
          Effect.logDebug(`the handler of the protocol ${args.quoted(protocol)} ended for ${remoteAddress}: ${message}`)
        ),
      onFailed: ({ remoteAddress }, protocol, cause) =>
        logLimit.log(
          remoteAddress.address,
          Effect.logWarning(`the handler of the protocol ${args.quoted(protocol)} failed for ${remoteAddress}`, cause)
        )
    })
    this.queues = new Queues({
      config,
      readsStreams: options.readsStreams,
      warn: (warning) => this.background(Effect.logWarning(warning))
    })
    this.replacements = new Replacements({
      dial: (peer, expected, made) => {
        const once = this.dials.once(peer, expected, made)
        return expected === undefined
          ? this.pool.dial(peer, once)
          : this.pool.dial(expected, this.sharedDials.noted(expected, [peer], once))
      },
      add: (connection) => this.register(connection),
      all: (connection, most) => this.peers.with(connection, isUsable, most),
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
  }

  get messages(): FairInbox<IncomingMessage> {
    return this.queues.messages
  }

  get streams(): FairInbox<IncomingStream> | undefined {
    return this.queues.streams
  }

  get datagrams(): DatagramInbox {
    return this.queues.datagrams
  }

  readonly stopped = (): boolean => this.isStopped

  /** Fails when the endpoint stops. It interrupts other waits by a race. */
  readonly untilStopped: Effect.Effect<never, EndpointStopped> = Deferred.await(this.stopping)

  stop(): void {
    this.isStopped = true
    Deferred.doneUnsafe(this.stopping, Effect.fail(new EndpointStopped()))
  }

  /** Resolves the peer of an operation. */
  readonly resolve = (input: PeerAddress.Input) => target.resolve(input, this.interfaces)

  // --- finding connections -----------------------------------------------------------------------------------------

  /** The connections of the pool whose peers have accepted them, each once. */
  get list(): ReadonlyArray<Connection> {
    const undecided = new Set<Connection>()
    for (const each of this.peers.all) if (!each.isAccepted) undecided.add(each.surfaced)
    return Array.from(this.peers.ids, (id) => this.pool.all(id).filter((each) => !undecided.has(each))).flat()
  }

  /**
   * Closes a connection for which a caller no longer waits, unless its peer has accepted it, something was sent on it, or others
   * wait for it.
   */
  giveUp(connection: Connection): void {
    for (const each of Array.from(this.peers.of(connection.peerId))) {
      if (each.surfaced !== connection || each.isAccepted || each.isUsed || each.waitingForAcceptance > 0) continue
      this.removeFromPool(each)
      this.background(each.close())
    }
  }

  /** Whether a peer has a connection that it has accepted: the application knows no other. */
  private hasAccepted(peerId: PeerId): boolean {
    for (const each of this.peers.of(peerId)) if (each.isAccepted) return true
    return false
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
    if (peerId !== undefined) return this.sharedDials.connect(peerId, addresses)
    if (key !== undefined) return this.pool.connect(key, this.dials.forPool(addresses, undefined))
    return Effect.flatMap(this.dials.lookUp(addresses[0]!), (found) => {
      const known = found.find((each) => this.pool.current(each) !== undefined) ?? found[0]
      return this.pool.connect(known, this.dials.forPool(found, undefined))
    })
  }

  // --- making connections ------------------------------------------------------------------------------------------

  /** Asks the program's policy about a peer. */
  readonly onHandshake = (peer: Peer, decide: (isAdmitted: boolean) => void) => this.admission.ask(peer, decide)

  /** Takes an inbound connection from the transport. */
  readonly onConnection = (backing: BackingConnection): ConnectionEvents => {
    const connection = this.makeConnection(backing, Option.none())
    if (!this.queues.canAccept(ipPrefix(backing.remoteAddress.address), this.pendingInbound.size)) {
      backing.close(ErrorCode.overloaded, "the application does not keep up")
      return connection
    }
    // A peer that dials may have lost its other connections, as after a crash: probe them.
    for (const other of this.peers.with(connection, isUsable, maxProbed)) other.checkAlive()
    this.pendingInbound.add(connection)
    return connection
  }

  /** Passes an inbound connection to the application. */
  private accept(connection: ConnectionImpl): void {
    if (connection.isOpen) this.register(connection)
    else this.peers.add(connection)
    this.queues.incoming.offer(connection)
  }

  readonly canEndAnother = (): boolean => this.queues.disconnections.hasRoom

  readonly makeConnection = (
    backing: BackingConnection,
    dialled: Option.Option<NetAddress.InetAddress>,
    expected?: PeerId
  ): ConnectionImpl => {
    const id = this.idOf(Option.getOrElse(dialled, () => backing.remoteAddress))
    return new ConnectionImpl(id, backing, this, dialled, expected)
  }

  readonly register = (connection: ConnectionImpl): void => {
    if (!connection.isOpen || this.peers.has(connection)) return
    this.replacements.onNewConnection(connection)
    this.peers.add(connection)
    const { peerId } = connection
    const before = new Set(this.pool.all(peerId))
    this.pool.add(connection, connection.seniority)
    // The pool may keep a wrapper in place of the connection: the endpoint then uses the wrapper.
    const added = this.pool.all(peerId).filter((other) => !before.has(other))
    if (added.length === 1) connection.surfaced = added[0]!
  }

  /** A peer has opened a stream of a protocol. */
  readonly onProtocol = (
    connection: ConnectionImpl,
    protocol: string,
    receive: BackingRecvStream,
    send: BackingSendStream
  ): RecvEvents => this.protocols.onStream(connection, protocol, receive, send)

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
      isReachable: (address) => this.isReachable(connection, address)
    }
    // A peer that has sent too little to be dialled gets no answer, which is not the answer no.
    const isAffordable = () =>
      message._tag !== "EndpointVerificationReq" || this.verificationBudget.isEnough(connection)
    this.answer(asker, message, reply, isAffordable)
  }

  /** Dials a peer at an address that it has named, within what the peer has sent. */
  private isReachable(connection: ConnectionImpl, address: NetAddress.InetAddress): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      const budget = this.verificationBudget
      // Half of the time of a question, so that the answer arrives in time even when the peer is not reachable.
      const dial = budget.begin(connection, Duration.times(this.config.rpcTimeout, 0.5))
      if (dial === undefined) return Effect.succeed(false)
      // Another peer at that address would say nothing about the asker.
      const isFound = Effect.isSuccess(this.dials.probe(address, dial.limit, connection.peerId))
      return Effect.tap(isFound, (found) =>
        Effect.sync(() => {
          if (found) budget.refund(connection, dial)
        })
      )
    })
  }

  readonly onUsed = (connection: ConnectionImpl): void => this.pendingInbound.onUsed(connection)

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
    this.debugLimit.log(
      connection.remoteAddress.address,
      Effect.logDebug(`stopped a stream of ${connection.remoteAddress}: ${reason}`)
    )

  readonly onLost = (connection: ConnectionImpl): void => this.removeFromPool(connection)

  private removeFromPool(connection: ConnectionImpl): void {
    connection.isLost = true
    this.pool.remove(connection)
  }

  readonly onClosed = (connection: ConnectionImpl, reason: Close): void => {
    this.pendingInbound.onClosed(connection)
    this.removeFromPool(connection)
    if (!this.peers.delete(connection)) return
    const { disconnections, incoming } = this.queues
    const isUntold = connection.direction === "Inbound" && incoming.find((other) => other === connection) !== undefined
    // The application does not know the connection, and the peer used it only for verification.
    const wasVerification = isUntold && connection.hasEchoed && !connection.isUsed
    // An application that does not take connections must not accumulate ended ones.
    if (isUntold && (wasVerification || !incoming.everTaken)) incoming.remove(connection)
    if (wasVerification) return
    // The peer has refused it, so that `connectTo` has failed.
    if (!connection.isAccepted) return
    const { dialledAddress, id, peerId, remoteAddress } = connection
    const last = !this.hasAccepted(peerId)
    disconnections.report({ peer: remoteAddress, peerId, dialledAddress, connectionId: id, reason, last })
  }
}

const isUsable = (connection: ConnectionImpl): boolean => !connection.isLost
