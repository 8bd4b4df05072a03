/**
 * Accepts the dials of peers, as far as admission lets them in.
 */
import type * as NetAddress from "effect/net/NetAddress"
import type { SocketEvents } from "@qp2p/core/Transport"
import type { ConnectionOwner } from "../connection/connectionHost.ts"
import type { Admission } from "./admission.ts"
import type { ConnectionFactory, SocketConnection } from "./connectionFactory.ts"
import type { ConnectionTable } from "./connectionTable.ts"
import type { PeerAdmission } from "./peerAdmission.ts"
import type { UnreadLimit } from "./unreadLimit.ts"

/** Makes connections for admitted Initial packets, sends the replies of admission, and counts incoming handshakes. */
export class Acceptor {
  private readonly admission: Admission
  private readonly factory: ConnectionFactory
  private readonly table: ConnectionTable<SocketConnection>
  private readonly unreadLimit: UnreadLimit
  private readonly maxConnections: number
  private readonly maxConnectionsPerIp: number
  private readonly now: () => number
  private readonly sendImmediate: (packet: Uint8Array, to: NetAddress.InetAddress) => void
  private readonly owner: ConnectionOwner<SocketConnection>
  /** How many handshakes are under way, those included whose peers wait to be admitted. */
  private handshakes = 0

  constructor(options: {
    readonly admission: Admission
    readonly factory: ConnectionFactory
    readonly table: ConnectionTable<SocketConnection>
    readonly unreadLimit: UnreadLimit
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
    this.unreadLimit = options.unreadLimit
    this.maxConnections = options.maxConnections
    this.maxConnectionsPerIp = options.maxConnectionsPerIp
    this.now = options.now
    this.sendImmediate = options.sendImmediate
    this.owner = {
      admit: (connection, decide) => options.peers.ask(connection, decide),
      onEstablished: (connection) => {
        this.handshakes -= 1
        return options.events.onConnection(connection)
      },
      onEnded: (_connection, _close, established) => {
        if (!established) this.handshakes -= 1
      }
    }
  }

  /** Makes a connection for a packet that belongs to none; or replies to the packet, or drops it. */
  accept(
    packet: Uint8Array,
    host: string,
    port: number,
    address: () => NetAddress.InetAddress
  ): SocketConnection | undefined {
    const verdict = this.admission.judge(packet, `${host} ${port}`, this.now(), {
      ended: this.table.size - this.table.open,
      connections: this.table.open,
      maxConnections: this.maxConnections,
      fromIp: this.table.countOfIp(host),
      maxFromIp: this.maxConnectionsPerIp,
      handshakes: this.handshakes,
      isBehind: this.unreadLimit.isBehind
    })
    if (verdict._tag === "Drop") return undefined
    if (verdict._tag === "Reply") {
      this.sendImmediate(verdict.packet, address())
      return undefined
    }
    const connection = this.factory.accept(verdict, address(), this.owner)
    if (connection !== undefined) this.handshakes += 1
    return connection
  }
}
