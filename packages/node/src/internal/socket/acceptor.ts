/**
 * Accepts the dials of peers, as far as admission lets them in.
 */
import type * as NetAddress from "effect/net/NetAddress"
import type { SocketEvents } from "@qp2p/core/Transport"
import type { ConnectionOwner } from "../connection/connectionHost.ts"
import type { Admission } from "./admission.ts"
import type { ConnectionFactory, SocketConnection } from "./connectionFactory.ts"
import type { ConnectionTable } from "./connectionTable.ts"
import { AcceptRates } from "./acceptRates.ts"
import { ipGroupOf } from "./ipGroup.ts"
import type { MemoryBudget } from "./memoryBudget.ts"
import type { PeerAdmission } from "./peerAdmission.ts"
import type { Places } from "./places.ts"
import { UnprovenAccepts } from "./unprovenAccepts.ts"

/** Makes connections for admitted Initial packets, sends the replies of admission, and counts incoming handshakes. */
export class Acceptor {
  private readonly admission: Admission
  private readonly factory: ConnectionFactory
  private readonly table: ConnectionTable<SocketConnection>
  private readonly memoryBudget: MemoryBudget<SocketConnection>
  private readonly places: Places<SocketConnection>
  private readonly maxConnections: number
  private readonly maxConnectionsPerIp: number
  private readonly now: () => number
  private readonly sendImmediate: (packet: Uint8Array, to: NetAddress.InetAddress) => void
  private readonly unproven = new UnprovenAccepts()
  private readonly rates = new AcceptRates()
  /** The owners of those that came through a Retry, and of the others. */
  private readonly retried: ConnectionOwner<SocketConnection>
  private readonly direct: ConnectionOwner<SocketConnection>
  /** How many handshakes are under way, those included whose peers wait to be admitted. */
  private handshakes = 0

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
        this.places.add(connection)
        return options.events.onConnection(connection)
      },
      onEnded: (_connection, _close, established) => {
        if (!established) this.handshakes -= 1
      }
    })
    this.retried = owner(true)
    this.direct = owner(false)
  }

  /** Makes a connection for a packet that belongs to none; or replies to the packet, or drops it. */
  accept(
    packet: Uint8Array,
    host: string,
    port: number,
    address: () => NetAddress.InetAddress
  ): SocketConnection | undefined {
    const now = this.now()
    const { places, rates, table, unproven } = this
    const peer = address()
    const ip = ipGroupOf(peer)
    const isCrowded = places.isFullForPeers
    const verdict = this.admission.judge(packet, `${host} ${port}`, now, {
      ended: table.size - table.open,
      isFull: isCrowded && !places.canEvict(now),
      maxConnections: this.maxConnections,
      fromIp: table.countOfIp(ip),
      maxFromIp: this.maxConnectionsPerIp,
      handshakes: this.handshakes,
      needsRetry: isCrowded || unproven.needRetry(now) || rates.needsRetry(ip, now),
      isExhausted: unproven.isExhausted(ip, now) || rates.isExhausted(ip, now),
      isBehind: this.memoryBudget.isBehind(ip)
    })
    if (verdict._tag === "Drop") return undefined
    if (verdict._tag === "Reply") {
      this.sendImmediate(verdict.packet, peer)
      return undefined
    }
    const isRetried = verdict.originalDcid !== undefined
    if (isCrowded) places.evict(now)
    const connection = this.factory.accept(verdict, peer, isRetried ? this.retried : this.direct)
    if (connection !== undefined) {
      this.handshakes += 1
      unproven.accepted(isRetried ? ip : undefined, now)
      rates.accepted(peer.address, ip, isRetried, now)
    }
    return connection
  }
}
