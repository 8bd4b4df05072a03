/**
 * One UDP socket with all its QUIC connections, dialled and accepted.
 */
import * as Duration from "effect/Duration"
import * as NetAddress from "effect/net/NetAddress"
import { EndpointStopped, TooManyConnections } from "@qp2p/core/ConnectionError"
import type { PeerId } from "@qp2p/core/PeerId"
import type { BackingSocket, BindOptions, DialEvents, SocketEvents } from "@qp2p/core/Transport"
import type { NativeConfig, Quiche } from "../binding/native.ts"
import { collectIfQuick } from "../connection/garbage.ts"
import type { ConnectionHost } from "../connection/connectionHost.ts"
import type { Limits } from "../connection/liveness.ts"
import type { Outbox } from "../path/outbox.ts"
import { IdSupply, type IssuedId } from "../packets/idSupply.ts"
import type { ResetTokens } from "../packets/resetToken.ts"
import { minEndedRemembered } from "../tunables/connectionIds.ts"
import * as tunables from "../tunables/streams.ts"
import type { IncomingDatagram, QueuedDatagram } from "../udp/udpSocket.ts"
import { Acceptor } from "./acceptor.ts"
import { Admission } from "./admission.ts"
import { ConnectionFactory, type SocketConnection } from "./connectionFactory.ts"
import { ConnectionTable } from "./connectionTable.ts"
import { dialError, refuseDial } from "./dialErrors.ts"
import { EndedIds, SentClose } from "./endedIds.ts"
import { FreedMemory } from "./freedMemory.ts"
import { ipGroupOf } from "./ipGroup.ts"
import { LogLimit } from "./logLimit.ts"
import { Loop } from "./loop.ts"
import { MemoryBudget } from "./memoryBudget.ts"
import { PeerAdmission } from "./peerAdmission.ts"
import { PacketRouter } from "./packetRouter.ts"
import { Places } from "./places.ts"
import { RefusalLog } from "./refusalLog.ts"
import { Resets } from "./resets.ts"
import * as seniority from "./seniority.ts"
import { Sweeps } from "./sweeps.ts"

/**
 * Implements `BackingSocket` for the endpoint: it owns the table, the loop, the outbox and the sweeps of one UDP socket.
 */
export class Socket implements BackingSocket, ConnectionHost<SocketConnection> {
  readonly address: NetAddress.InetAddress
  readonly scratch = new Uint8Array(tunables.readChunk)
  readonly outbox: Outbox
  readonly sendRate: number
  readonly idleTimeout: number

  private readonly maxConnections: number
  private readonly now: () => number
  private readonly places: Places<SocketConnection>
  /** When the sweep that runs has begun, in milliseconds of Effect's clock. */
  private sweepAt = 0
  private readonly onDefect: (defect: unknown) => void
  private readonly table = new ConnectionTable<SocketConnection>()
  private readonly loop: Loop<SocketConnection>
  private readonly sweeps: Sweeps<SocketConnection>
  private readonly factory: ConnectionFactory
  private readonly acceptor: Acceptor | undefined
  private readonly router: PacketRouter<SocketConnection>
  private readonly memoryBudget: MemoryBudget<SocketConnection>
  private readonly freedMemory = new FreedMemory(() => collectIfQuick())
  private readonly peers: PeerAdmission
  private readonly refusalLog: RefusalLog
  private readonly logLimit: LogLimit
  private readonly ids: IdSupply
  private readonly endedIds: EndedIds
  private readonly resets: Resets
  private closing = false
  private closed = false

  constructor(options: {
    readonly quiche: Quiche
    readonly configOf: (maxPayload: number) => NativeConfig
    /** The size of the largest packets to a peer, in bytes. */
    readonly maxPayload: (remote: NetAddress.InetAddress) => number
    readonly address: NetAddress.InetAddress
    readonly bind: BindOptions
    readonly resetTokens: ResetTokens
    readonly idleTimeout: number
    readonly events: SocketEvents
    readonly outbox: Outbox
    readonly onDefect: (defect: unknown) => void
    /** The connection with this peer is closed, because too many bytes wait to be read. */
    readonly onOverload: (peer: NetAddress.InetAddress, unread: number) => void
    /** The connection is closed, because another one needs its place. */
    readonly onEvicted: (peer: NetAddress.InetAddress) => void
    /** Writes a warning to the log. */
    readonly onWarning: (text: string) => void
    /** Milliseconds of Effect's clock. */
    readonly now: () => number
    /** `sweepInterval` has become shorter. */
    readonly onSweepSooner?: () => void
  }) {
    const { address, bind, configOf, events, idleTimeout, maxPayload, now, outbox, quiche } = options
    const logLimit = new LogLimit(now, options.onWarning)
    const onDefect = (defect: unknown) => logLimit.log("", () => options.onDefect(defect))
    const { table } = this
    this.address = address
    this.idleTimeout = idleTimeout
    this.sendRate = bind.maxSendRate / 1_000
    this.maxConnections = bind.maxConnections
    this.outbox = outbox
    this.onDefect = onDefect
    this.now = now
    this.logLimit = logLimit
    this.places = new Places({
      table,
      maxConnections: bind.maxConnections,
      onEvicted: ({ ipGroup, remoteAddress }) => logLimit.log(ipGroup, () => options.onEvicted(remoteAddress))
    })
    this.refusalLog = new RefusalLog(address, now, options.onWarning)
    this.loop = new Loop({
      dispatch: () => outbox.dispatch(),
      onClosed: (connection) => this.forget(connection),
      onDefect
    })
    this.sweeps = new Sweeps({
      limits: limitsOf(bind),
      idleTimeout,
      tick: (connection, elapsed, limits) =>
        this.loop.guarded(connection, () => {
          connection.tick(elapsed, limits)
          this.places.tick(connection, this.sweepAt)
        }),
      onSooner: options.onSweepSooner ?? (() => {})
    })
    const memoryBudget = new MemoryBudget<SocketConnection>({
      limit: bind.unreadBuffer,
      onOverload: (peer, unread) => logLimit.log(ipGroupOf(peer), () => options.onOverload(peer, unread))
    })
    this.memoryBudget = memoryBudget
    const factory = new ConnectionFactory({ quiche, configOf, maxPayload, local: address, table, host: this })
    this.factory = factory
    this.ids = new IdSupply(options.resetTokens)
    this.peers = new PeerAdmission(events.onHandshake, onDefect)
    this.acceptor = bind.accept
      ? new Acceptor({
          admission: new Admission(quiche, this.newId),
          factory,
          table,
          memoryBudget,
          places: this.places,
          maxConnections: bind.maxConnections,
          maxConnectionsPerIp: bind.maxConnectionsPerIp,
          peers: this.peers,
          events,
          now,
          sendImmediate: this.sendImmediate
        })
      : undefined
    const endedIds = new EndedIds({
      mostConnections: Math.max(bind.maxConnections, minEndedRemembered),
      now: () => performance.now(),
      sendImmediate: this.sendImmediate
    })
    this.endedIds = endedIds
    this.resets = new Resets({
      tokens: options.resetTokens,
      ids: { has: (key) => table.withId(key) !== undefined || endedIds.has(key) },
      peerId: bind.identity.peerId,
      port: address.port,
      now,
      sendImmediate: this.sendImmediate
    })
    this.router = new PacketRouter(
      table,
      endedIds,
      (length, header, host, port, address) =>
        this.closing ? undefined : this.acceptor?.accept(length, header, host, port, address),
      (packet, key, address) => this.resets.answer(packet, key, address)
    )
  }

  // --- dials -------------------------------------------------------------------------------------------------------

  readonly dial = (peer: NetAddress.InetAddress, events: DialEvents, expected?: PeerId): (() => void) => {
    const refusal = this.closing ? new EndpointStopped() : (refuseDial(peer, this.address) ?? this.refuseAnotherDial())
    let isOver = false
    if (refusal !== undefined) {
      queueMicrotask(() => {
        if (!isOver) events.onFailed(refusal)
      })
      return () => {
        isOver = true
      }
    }
    const scid = seniority.connectionId(this.senioritiesAt(peer, expected))
    const dialled = this.factory.connect(peer, scid, {
      admit: (connection, decide) => {
        if (expected === undefined || connection.peerId === expected) return this.peers.ask(connection, decide)
        decide(false)
        return undefined
      },
      onEstablished: (connection) => {
        isOver = true
        return events.onConnected(connection)
      },
      onEnded: (connection, close) => {
        if (isOver) return
        isOver = true
        const { handshake, wasHeard } = connection
        events.onFailed(
          this.closing ? new EndpointStopped() : dialError(this.address, peer, expected, handshake, wasHeard, close)
        )
      }
    })
    this.schedule(dialled)
    return () => {
      if (isOver) return
      isOver = true
      dialled.close(0, "")
    }
  }

  /** Makes a place for a dial, if there is none. */
  private refuseAnotherDial(): TooManyConnections | undefined {
    return !this.places.isFull || this.places.evict(this.now())
      ? undefined
      : new TooManyConnections({ limit: this.maxConnections })
  }

  /**
   * The seniorities of the connections with one peer, by the address that was dialled or by the peer's. Those of other keys do not
   * count if the peer's is known: their peers have chosen them.
   */
  private senioritiesAt(peer: NetAddress.InetAddress, expected: PeerId | undefined): ReadonlyArray<string> {
    const known: Array<string> = []
    for (const connection of this.table.at(NetAddress.formatHost(peer), peer.port)) {
      if (!connection.wasEstablished) continue
      if (expected === undefined || connection.peerId === expected) known.push(connection.seniority)
    }
    return known
  }

  // --- datagrams ---------------------------------------------------------------------------------------------------

  /** Takes one datagram; what comes of it happens in the next turn. */
  receive(datagram: IncomingDatagram): void {
    if (this.closed) return
    this.loop.received()
    try {
      this.router.route(datagram)
    } catch (defect) {
      // A mistake of the driver's costs this datagram, and not the socket.
      this.onDefect(defect)
    }
  }

  /** The system has refused to send a datagram. */
  refused({ payload, sender }: QueuedDatagram, code: string): void {
    if (this.closed) return
    try {
      sender?.refused(code, payload.length)
    } catch (defect) {
      this.onDefect(defect)
    }
  }

  // --- for connections ---------------------------------------------------------------------------------------------

  readonly schedule = (connection: SocketConnection): void => this.loop.schedule(connection)

  readonly updateDeadline = (connection: SocketConnection): void => this.loop.updateDeadline(connection)

  readonly addId = (connection: SocketConnection, key: string): void => this.table.addId(connection, key)

  readonly removeId = (connection: SocketConnection, key: string): void => this.table.removeId(connection, key)

  readonly newId = (): IssuedId => this.ids.next()

  readonly setResetToken = (connection: SocketConnection, key: string): void =>
    this.table.setResetToken(connection, key)

  readonly onMoved = (connection: SocketConnection): void => {
    const { remoteAddress } = connection
    this.table.move(connection, NetAddress.formatHost(remoteAddress), remoteAddress.port)
  }

  readonly onEstablished = (connection: SocketConnection): void => this.sweeps.add(connection)

  readonly onEnded = (connection: SocketConnection): void => {
    this.sweeps.delete(connection)
    this.places.delete(connection)
    this.table.end(connection)
    this.freedMemory.connectionEnded()
  }

  readonly onUnread = (connection: SocketConnection, change: number): void => {
    if (change < 0) this.freedMemory.add(-change)
    this.memoryBudget.change(connection, change)
  }

  readonly fill = (connection: SocketConnection): number => this.memoryBudget.fill(connection)

  readonly onRefused = (connection: SocketConnection, code: string): void => this.refusalLog.add(connection, code)

  readonly sendImmediate = (packet: Uint8Array, to: NetAddress.InetAddress): void => {
    if (this.closed || !this.outbox.hasRoom) return
    this.outbox.add(packet, to)
    this.loop.scheduleTurn()
  }

  // --- sweeps ------------------------------------------------------------------------------------------------------

  /** How often to call `sweep`, in milliseconds. */
  get sweepInterval(): number {
    return this.sweeps.interval
  }

  /** Does what is timed on Effect's clock; the last call was `elapsed` milliseconds ago. */
  sweep(elapsed: number, limits?: Limits): void {
    this.sweepAt = this.now()
    this.logLimit.tick()
    this.sweeps.sweep(elapsed, this.table.all(), limits)
    this.memoryBudget.tick(elapsed)
    this.endedIds.tick()
    this.freedMemory.tick(elapsed)
  }

  // --- the end -----------------------------------------------------------------------------------------------------

  /** Begins to close every connection. Returns false when there is none to wait for. */
  beginClose(): boolean {
    this.closing = true
    for (const connection of this.table.all()) connection.close(0, "")
    return this.table.open > 0
  }

  /** Keeps nothing of a connection that has ended but what its late packets are answered with. */
  private forget(connection: SocketConnection): void {
    const { closePacket, remoteAddress } = connection
    this.endedIds.add(this.table.remove(connection), closePacket && new SentClose(closePacket, remoteAddress))
  }

  /** Whether every connection has ended, and its peer has been told. */
  get isQuiet(): boolean {
    return this.table.open === 0
  }

  /** Ends what is left, at once. The last batch has been handed over when this returns. */
  close(): void {
    if (this.closed) return
    this.closing = true
    this.closed = true
    this.resets.close()
    this.loop.stop()
    for (const connection of this.table.all()) {
      // A defect in one callback must neither keep the others open nor escape through an event of Node's.
      this.loop.guarded(connection, () => connection.abandon())
      this.loop.remove(connection)
    }
    this.outbox.dispatch()
  }
}

const limitsOf = (bind: BindOptions): Limits => ({
  keepAlive: Duration.toMillis(bind.keepAliveInterval),
  handshake: Duration.toMillis(bind.handshakeTimeout),
  stall: Duration.toMillis(bind.stallTimeout)
})
