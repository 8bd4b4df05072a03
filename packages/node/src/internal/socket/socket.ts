/**
 * One UDP socket with all its QUIC connections, dialled and accepted: finds the connection of each packet, admits new
 * ones, and has each connection that something happened to take its turn.
 */
import * as Duration from "effect/Duration"
import * as NetAddress from "effect/net/NetAddress"
import { EndpointStopped } from "@qp2p/core/ConnectionError"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import type { BackingSocket, BindOptions, DialEvents, SocketEvents } from "@qp2p/core/Transport"
import { Admission } from "./admission.ts"
import { Connection } from "../connection/connection.ts"
import type { ConnectionHost } from "../connection/connectionHost.ts"
import { dialError, refuseDial } from "./dialErrors.ts"
import { Loop } from "./loop.ts"
import type { NativeConfig, NativeConnection, Quiche } from "../binding/native.ts"
import type { Outbox } from "../path/outbox.ts"
import * as packetHeader from "../packets/packetHeader.ts"
import { PayloadSize } from "../path/mtuDiscovery.ts"
import { Refusals } from "./refusals.ts"
import { Registry } from "./connectionTable.ts"
import * as seniority from "./seniority.ts"
import { Sweeps } from "./sweeps.ts"
import * as tunables from "../tunables.ts"
import type { IncomingDatagram, QueuedDatagram } from "../udp/udpSocket.ts"
import type { Limits } from "../connection/liveness.ts"

export class Socket implements BackingSocket, ConnectionHost {
  readonly address: NetAddress.InetAddress
  readonly scratch = new Uint8Array(tunables.readChunk)
  readonly outbox: Outbox
  readonly sendRate: number
  readonly idleTimeout: number

  private readonly quiche: Quiche
  private readonly configOf: (maxPayload: number) => NativeConfig
  private readonly maxPayload: (remote: NetAddress.InetAddress) => number
  private readonly options: BindOptions
  private readonly events: SocketEvents
  private readonly onDefect: (defect: unknown) => void
  private readonly onOverload: (peer: NetAddress.InetAddress, unread: number) => void
  private readonly refusals: Refusals
  private readonly now: () => number
  private readonly sweeps: Sweeps
  private readonly admission: Admission
  /** The local end, the same for every packet of every connection. */
  private readonly to: { readonly host: string; readonly port: number }
  private readonly connections = new Registry()
  private handshakes = 0
  private adopted = 0
  private readonly loop: Loop
  /** Bytes that wait to be read, on all connections. */
  private unreadBytes = 0
  private closing = false
  private closed = false
  /** The last sender seen, to tell cheaply whether a packet comes from where its connection's packets come from. */
  private lastHost = ""
  private lastPort = 0
  private lastAddress: NetAddress.InetAddress | undefined = undefined

  constructor(options: {
    readonly quiche: Quiche
    readonly configOf: (maxPayload: number) => NativeConfig
    /** Bytes of the largest packets to a peer. */
    readonly maxPayload: (remote: NetAddress.InetAddress) => number
    readonly address: NetAddress.InetAddress
    readonly bind: BindOptions
    readonly idleTimeout: number
    readonly events: SocketEvents
    readonly outbox: Outbox
    readonly onDefect: (defect: unknown) => void
    /** The connection with this peer is closed, because too many bytes wait to be read. */
    readonly onOverload: (peer: NetAddress.InetAddress, unread: number) => void
    /** Something for the log. */
    readonly onWarning: (text: string) => void
    /** Milliseconds of Effect's clock. */
    readonly now: () => number
    /** `sweepInterval` has become shorter. */
    readonly onPressing?: () => void
  }) {
    this.quiche = options.quiche
    this.configOf = options.configOf
    this.maxPayload = options.maxPayload
    this.address = options.address
    this.options = options.bind
    this.idleTimeout = options.idleTimeout
    this.sendRate = options.bind.maxSendRate / 1_000
    this.events = options.events
    this.outbox = options.outbox
    this.onDefect = options.onDefect
    this.onOverload = options.onOverload
    this.now = options.now
    this.refusals = new Refusals(options.address, options.now, options.onWarning)
    this.loop = new Loop({
      dispatch: () => this.outbox.dispatch(),
      onOver: (connection) => this.connections.forget(connection),
      onDefect: options.onDefect
    })
    this.sweeps = new Sweeps({
      limits: limitsOf(options.bind),
      idleTimeout: options.idleTimeout,
      look: (connection, elapsed, limits) =>
        this.loop.guarded(connection, () => connection.watch.look(elapsed, limits)),
      onSooner: options.onPressing ?? (() => {})
    })
    this.admission = new Admission(options.quiche)
    // The binding parses hosts as bare literals: no brackets, no zone.
    this.to = { host: NetAddress.formatIp(options.address.address), port: options.address.port }
  }

  // --- dialling ----------------------------------------------------------------------------------------------------

  readonly dial = (peer: NetAddress.InetAddress, events: DialEvents): (() => void) => {
    const refusal = this.closing
      ? new EndpointStopped()
      : refuseDial(peer, this.address, this.connections.live, this.options.maxConnections)
    if (refusal !== undefined) {
      let cancelled = false
      queueMicrotask(() => {
        if (!cancelled) events.onFailed(refusal)
      })
      return () => {
        cancelled = true
      }
    }
    const from = { host: NetAddress.formatIp(peer.address), port: peer.port }
    const scid = seniority.connectionId(this.seniorities(peer))
    const native = this.quiche.Connection.connect(tunables.serverName, scid, this.to, from, this.configFor(peer))
    const connection = this.adopt(native, peer, from, { keys: [idKey(scid)], clientScid: scid, dialled: true })
    let settled = false
    connection.onEstablished = (established) => {
      settled = true
      return events.onConnected(established)
    }
    connection.onOver = (close, established) => {
      if (settled || established) return
      settled = true
      events.onFailed(this.closing ? new EndpointStopped() : dialError(this.address, peer, connection, close))
    }
    this.touch(connection)
    return () => {
      if (settled) return
      settled = true
      connection.onOver = undefined
      connection.onEstablished = undefined
      connection.close(0, "")
    }
  }

  // --- receiving ---------------------------------------------------------------------------------------------------

  /** Takes one datagram; what comes of it happens in the next turn. */
  receive(datagram: IncomingDatagram): void {
    try {
      this.sort(datagram)
    } catch (defect) {
      // A mistake of ours. It costs this datagram, and not the socket.
      this.onDefect(defect)
    }
  }

  private sort(datagram: IncomingDatagram): void {
    const packet = datagram.payload
    if (packet.length === 0 || this.closed) return
    const host = hostOf(datagram)
    const port = datagram.port ?? datagram.address.port
    // A sender without a port wants no answer (RFC 768), and Node sends nothing there.
    if (port === 0) return
    let connection: Connection | undefined
    let key: string | undefined
    if (packetHeader.isLongHeader(packet)) {
      const header = packetHeader.parseLongHeader(packet)
      if (header === undefined) return
      connection = this.connections.withId(idKey(header.dcid))
      if (connection !== undefined && header.version === 0) return this.negotiate(connection, packet, header)
    } else {
      key = packetHeader.shortHeaderKey(packet)
      if (key === undefined) return
      connection = this.connections.withId(key)
      if (connection === undefined) return this.mayBeReset(packet, host, port)
    }
    connection ??= this.admit(packet, host, port, datagram)
    if (connection === undefined) return
    const elsewhere = connection.moved(host, port) ? this.addressOf(host, port, datagram) : undefined
    connection.receive(packet, elsewhere, key)
  }

  /** A server that speaks no version of ours (RFC 9000, section 6.2). */
  private negotiate(connection: Connection, packet: Uint8Array, header: packetHeader.LongHeader): void {
    if (!connection.dialled || connection.phase !== "handshaking") return
    // One that lists the version we asked for is a mistake or a forgery.
    if (packetHeader.offeredVersions(packet, header).includes(packetHeader.version1)) return
    connection.versionMismatch = true
    connection.close(0, "")
  }

  /** A stateless reset carries no id of ours, only a token at its end, which the binding knows (RFC 9000, section 10.3). */
  private mayBeReset(packet: Uint8Array, host: string, port: number): void {
    for (const connection of this.connections.at(host, port)) {
      if (connection.dialled && !connection.moved(host, port)) connection.receiveReset(packet.slice())
    }
  }

  private admit(packet: Uint8Array, host: string, port: number, datagram: IncomingDatagram): Connection | undefined {
    if (!this.options.accept || this.closing) return undefined
    const verdict = this.admission.judge(packet, `${host} ${port}`, this.now(), {
      draining: this.connections.size - this.connections.live,
      connections: this.connections.live,
      maxConnections: this.options.maxConnections,
      fromIp: this.connections.withIp(host).size,
      maxFromIp: this.options.maxConnectionsPerIp,
      handshakes: this.handshakes,
      isBehind: this.unreadBytes > this.options.unreadBuffer * tunables.admitBelow
    })
    if (verdict._tag === "Drop") return undefined
    const address = this.addressOf(host, port, datagram)
    if (verdict._tag === "Answer") {
      this.answer(verdict.packet, address)
      return undefined
    }
    const from = { host: NetAddress.formatIp(address.address), port }
    let native: NativeConnection
    try {
      native = this.quiche.Connection.accept(verdict.scid, verdict.originalDcid, this.to, from, this.configFor(address))
    } catch {
      return undefined
    }
    // Until the client has learned our id it addresses its packets to the one that it made up.
    const connection = this.adopt(native, address, from, {
      keys: [idKey(verdict.scid), idKey(verdict.clientDcid)],
      clientScid: verdict.clientScid,
      dialled: false
    })
    this.handshakes += 1
    connection.onEstablished = (established) => {
      this.handshakes -= 1
      return this.events.onConnection(established)
    }
    connection.onOver = (_close, established) => {
      if (!established) this.handshakes -= 1
    }
    return connection
  }

  private adopt(
    native: NativeConnection,
    remote: NetAddress.InetAddress,
    from: { readonly host: string; readonly port: number },
    {
      clientScid,
      dialled,
      keys
    }: {
      readonly keys: readonly [string, ...Array<string>]
      readonly clientScid: Uint8Array
      readonly dialled: boolean
    }
  ): Connection {
    this.adopted += 1
    const connection = new Connection({
      host: this,
      // The golden section spreads any number of them evenly.
      phase: ((this.adopted - 1) * 0.618_033_988_75) % 1,
      native,
      dialled,
      remote,
      from,
      to: this.to,
      seniority: idKey(clientScid),
      id: keys[0],
      payload: new PayloadSize(this.maxPayload(remote), NetAddress.isLoopback(remote.address))
    })
    this.connections.add(connection, NetAddress.formatHost(remote), remote.port, keys)
    return connection
  }

  private configFor(remote: NetAddress.InetAddress): NativeConfig {
    return this.configOf(this.maxPayload(remote))
  }

  /** Of the connections that there are with one peer, by where it was dialled or by where it is. */
  private seniorities(peer: NetAddress.InetAddress): ReadonlyArray<string> {
    const known: Array<string> = []
    for (const connection of this.connections.at(NetAddress.formatHost(peer), peer.port)) {
      if (connection.phase === "established") known.push(connection.seniority)
    }
    return known
  }

  readonly moved = (connection: Connection): void => {
    const { remoteAddress } = connection
    this.connections.move(connection, NetAddress.formatHost(remoteAddress), remoteAddress.port)
  }

  readonly addId = (connection: Connection, key: string): void => this.connections.addId(connection, key)

  readonly removeId = (connection: Connection, key: string): void => this.connections.removeId(connection, key)

  readonly established = (connection: Connection): void => this.sweeps.add(connection)

  readonly ended = (connection: Connection): void => {
    this.sweeps.delete(connection)
    this.connections.end(connection)
  }

  private addressOf(host: string, port: number, datagram: IncomingDatagram): NetAddress.InetAddress {
    if (this.lastAddress === undefined || this.lastPort !== port || this.lastHost !== host) {
      this.lastHost = host
      this.lastPort = port
      this.lastAddress = datagram.address
    }
    return this.lastAddress
  }

  /** Over the limit, the connection with the most is given up: the others go on, and it has to be made anew. */
  readonly unread = (change: number): void => {
    this.unreadBytes += change
    if (change < 0 || this.unreadBytes <= this.options.unreadBuffer) return
    let largest: Connection | undefined
    for (const connection of this.connections.all()) {
      if (connection.unread > (largest?.unread ?? 0)) largest = connection
    }
    if (largest === undefined) return
    this.onOverload(largest.remoteAddress, largest.unread)
    largest.close(ErrorCode.overloaded, "the application does not keep up")
  }

  // --- the loop ----------------------------------------------------------------------------------------------------

  readonly touch = (connection: Connection): void => this.loop.touch(connection)

  readonly wake = (connection: Connection): void => this.loop.wake(connection)

  /** Sends a packet that belongs to no turn. */
  readonly answer = (packet: Uint8Array, to: NetAddress.InetAddress): void => {
    if (this.closed || !this.outbox.hasRoom) return
    this.outbox.add(packet, to)
    this.loop.turnSoon()
  }

  /** The system has not sent a datagram. */
  refused({ payload, sender }: QueuedDatagram, code: string): void {
    if (this.closed) return
    try {
      sender?.refused(code, payload.length)
    } catch (defect) {
      this.onDefect(defect)
    }
  }

  readonly onRefused = (connection: Connection, code: string): void => this.refusals.note(connection, code)

  // --- housekeeping ------------------------------------------------------------------------------------------------

  /** How often to call `sweep`, in milliseconds. */
  get sweepInterval(): number {
    return this.sweeps.interval
  }

  /** Called every `elapsed` milliseconds of Effect's clock: everything that is ours to time is timed here. */
  sweep(elapsed: number, limits?: Limits): void {
    this.sweeps.sweep(elapsed, this.connections.all(), limits)
  }

  /** Begins to end every connection. False when there is none to wait for. */
  beginClose(): boolean {
    this.closing = true
    for (const connection of this.connections.all()) connection.close(0, "")
    return this.connections.live > 0
  }

  /** Whether every connection is over and its peer told. */
  get quiet(): boolean {
    return this.connections.live === 0
  }

  /** Ends what is left, here and now. The last batch has been handed over when this returns. */
  close(): void {
    if (this.closed) return
    this.closing = true
    this.closed = true
    this.loop.stop()
    for (const connection of this.connections.all()) {
      // A mistake in one callback must neither keep the others open nor leave by way of an event of Node's.
      this.loop.guarded(connection, () => connection.abandon())
      this.loop.forget(connection)
    }
    this.outbox.dispatch()
  }
}

/** One name for a host, whether its zone came as an index or as the name of an interface. */
const hostOf = ({ address, host }: IncomingDatagram): string =>
  host === undefined || host.includes("%") ? NetAddress.formatHost(address) : host

const limitsOf = (bind: BindOptions): Limits => ({
  keepAlive: Duration.toMillis(bind.keepAliveInterval),
  handshake: Duration.toMillis(bind.handshakeTimeout),
  stall: Duration.toMillis(bind.stallTimeout)
})

const idKey = (id: Uint8Array): string => packetHeader.idKey(id, 0, id.length)
