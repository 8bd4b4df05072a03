/** What a connection needs of the socket that it belongs to. */
import type * as NetAddress from "effect/net/NetAddress"
import type { Connection } from "./connection.ts"
import type { Outbox } from "../path/outbox.ts"

/** What a connection needs of its socket. */
export interface ConnectionHost {
  /** Gives the connection a turn soon. */
  readonly touch: (connection: Connection) => void
  /** Gives the connection a turn at its deadline at the latest. */
  readonly wake: (connection: Connection) => void
  /** Packets with this destination id are the connection's from now on, or are no longer. */
  readonly addId: (connection: Connection, key: string) => void
  readonly removeId: (connection: Connection, key: string) => void
  readonly outbox: Outbox
  /** The connection's `remoteAddress` has changed. */
  readonly moved: (connection: Connection) => void
  /** The handshake is complete: what both sides ask for is known. */
  readonly established: (connection: Connection) => void
  /** The connection is over; it may still have to drain. */
  readonly ended: (connection: Connection) => void
  /** So many bytes more, or fewer, wait on the connection until they are read. */
  readonly unread: (change: number) => void
  /** Sends a packet that belongs to no turn. */
  readonly answer: (packet: Uint8Array, to: NetAddress.InetAddress) => void
  /** The system has not sent a packet of an established connection. */
  readonly onRefused: (connection: Connection, code: string) => void
  readonly scratch: Uint8Array
  /** Bytes per millisecond to one peer. */
  readonly sendRate: number
  readonly idleTimeout: number
}
