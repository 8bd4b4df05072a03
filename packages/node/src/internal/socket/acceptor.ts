/**
 * Accepts the dials of peers, as far as admission lets them in.
 */
import type * as NetAddress from "effect/net/NetAddress"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import type { SocketEvents } from "@qp2p/core/Transport"
import type { ConnectionOwner } from "../connection/connectionHost.ts"
import type { LongHeader } from "../packets/packetHeader.ts"
import type { Admission, Load } from "./admission.ts"
import type { ConnectionFactory, SocketConnection } from "./connectionFactory.ts"
import type { ConnectionTable } from "./connectionTable.ts"
import { AcceptRates } from "./acceptRates.ts"
import { ipGroupOf } from "./ipGroup.ts"
import type { MemoryBudget } from "./memoryBudget.ts"
import type { PeerAdmission } from "./peerAdmission.ts"
import type { Places } from "./places.ts"
import { UnprovenAccepts } from "./unprovenAccepts.ts"

/** What the load of a socket follows from. */
interface LoadSource {
  readonly table: ConnectionTable<SocketConnection>
  readonly memoryBudget: MemoryBudget<SocketConnection>
  readonly places: Places<SocketConnection>
  readonly maxConnections: number
  readonly maxConnectionsPerIp: number
  readonly now: () => number
  readonly unproven: UnprovenAccepts
  readonly rates: AcceptRates
  /** How many handshakes are under way, those included whose peers wait to be admitted. */
  readonly handshakes: number
}

/** Makes connections for admitted Initial packets, sends the replies of admission, and counts incoming handshakes. */
export class Acceptor implements LoadSource {
  private readonly admission: Admission
  private readonly factory: ConnectionFactory
  readonly table: ConnectionTable<SocketConnection>
  readonly memoryBudget: MemoryBudget<SocketConnection>
  readonly places: Places<SocketConnection>
  readonly maxConnections: number
  readonly maxConnectionsPerIp: number
  readonly now: () => number
  private readonly sendImmediate: (packet: Uint8Array, to: NetAddress.InetAddress) => void
  readonly unproven = new UnprovenAccepts()
  readonly rates = new AcceptRates()
  /** The owners of those that came through a Retry, and of the others. */
  private readonly retried: ConnectionOwner<SocketConnection>
  private readonly direct: ConnectionOwner<SocketConnection>
  handshakes = 0

  constructor(options: {
    readonly admission: Admission
    readonly factory: ConnectionFactory
    readonly table: ConnectionTable<SocketConnection>
    readonly memoryBudget: MemoryBudget<SocketConnection>
    readonly places: Places<SocketConnection>
    readonly maxConnections: number
    readonly maxConnectionsPerIp: number
    readonly peers: PeerAdmission
    readonly events: SocketEvents
    /** Milliseconds of Effect's clock. */
    readonly now: () => number
    /** Sends a packet outside of any turn. */
    readonly sendImmediate: (packet: Uint8Array, to: NetAddress.InetAddress) => void
  }) {
    this.admission = options.admission
    this.factory = options.factory
    this.table = options.table
    this.memoryBudget = options.memoryBudget
    this.places = options.places
    this.maxConnections = options.maxConnections
    this.maxConnectionsPerIp = options.maxConnectionsPerIp
    this.now = options.now
    this.sendImmediate = options.sendImmediate
    const owner = (isRetried: boolean): ConnectionOwner<SocketConnection> => ({
      admit: (connection, decide) => options.peers.ask(connection, decide),
      onEstablished: (connection) => {
        this.handshakes -= 1
        this.unproven.proven(isRetried ? connection.ipGroup : undefined)
        const hasPlace = this.places.add(connection, this.now())
        const handlers = options.events.onConnection(connection)
        if (!hasPlace) connection.close(ErrorCode.evicted, "no room for another connection")
        return handlers
      },
      onEnded: () => {
        this.handshakes -= 1
      }
    })
    this.retried = owner(true)
    this.direct = owner(false)
  }

  /** Makes a connection for a packet of `length` bytes that belongs to none; or replies to the packet, or drops it. */
  accept(
    length: number,
    header: LongHeader,
    host: string,
    port: number,
    address: () => NetAddress.InetAddress
  ): SocketConnection | undefined {
    const { places, rates, unproven } = this
    const load = new ClientLoad(this, host, port, address)
    const verdict = this.admission.judge(length, header, load)
    if (verdict._tag === "Drop") return undefined
    const peer = load.peer
    if (verdict._tag === "Reply") {
      this.sendImmediate(verdict.packet, peer)
      return undefined
    }
    const { ip, isCrowded, now } = load
    const isRetried = verdict.originalDcid !== undefined
    const connection = this.factory.accept(verdict, peer, isRetried ? this.retried : this.direct)
    if (connection !== undefined) {
      this.handshakes += 1
      if (isCrowded) places.addPending(connection)
      unproven.accepted(isRetried ? ip : undefined, now)
      rates.accepted(peer.address, ip, isRetried, now)
    }
    return connection
  }
}

/** The load of a socket for one client: each value is found out when it is asked for. */
class ClientLoad implements Load {
  private readonly socket: LoadSource
  private readonly host: string
  private readonly port: number
  private readonly address: () => NetAddress.InetAddress
  private ipOfPeer: string | undefined = undefined
  private time: number | undefined = undefined

  constructor(socket: LoadSource, host: string, port: number, address: () => NetAddress.InetAddress) {
    this.socket = socket
    this.host = host
    this.port = port
    this.address = address
  }

  get peer(): NetAddress.InetAddress {
    return this.address()
  }

  /** The name under which the client's IP address counts. */
  get ip(): string {
    return (this.ipOfPeer ??= ipGroupOf(this.peer))
  }

  get client(): string {
    return `${this.host} ${this.port}`
  }

  get now(): number {
    return (this.time ??= this.socket.now())
  }

  /** Whether a connection needs the place of another. */
  get isCrowded(): boolean {
    return this.socket.places.isFullForPeers
  }

  get isFull(): boolean {
    return this.isCrowded && !this.socket.places.canEvict(this.now)
  }

  get maxConnections(): number {
    return this.socket.maxConnections
  }

  get ended(): number {
    const { open, size } = this.socket.table
    return size - open
  }

  get fromIp(): number {
    return this.socket.table.countOfIp(this.ip)
  }

  get maxFromIp(): number {
    return this.socket.maxConnectionsPerIp
  }

  get handshakes(): number {
    return this.socket.handshakes
  }

  get needsRetry(): boolean {
    const { rates, unproven } = this.socket
    return this.isCrowded || unproven.needRetry(this.now) || rates.needsRetry(this.ip, this.now)
  }

  get isExhausted(): boolean {
    const { rates, unproven } = this.socket
    return unproven.isExhausted(this.ip, this.now) || rates.isExhausted(this.ip, this.now)
  }

  get isBehind(): boolean {
    return this.socket.memoryBudget.isBehind(this.ip)
  }
}
