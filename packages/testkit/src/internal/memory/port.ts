/** The sockets of `MemoryTransport`. */
import type { Close } from "@qp2p/core/Close"
import type { ConnectionError } from "@qp2p/core/ConnectionError"
import type { BindOptions, SocketEvents } from "@qp2p/core/Transport"
import type * as NetAddress from "effect/net/NetAddress"
import type { Port } from "../network/realm.ts"

/** What a socket needs of its connections: to count them, and to close them. */
export interface PortConnection {
  readonly remoteAddress: NetAddress.InetAddress
  /** The bytes that wait to be read. */
  readonly unread: number
  /** There may be room for what its peer sends: ends the wait of one that is held back. */
  readonly goOn: () => void
  readonly close: (code: number, detail: string) => void
  /** Closes this end without a notice to the peer. A half-open one reports `error`. */
  finish(close: Close, error?: ConnectionError): void
}

/** A bound socket. */
export interface MemoryPort extends Port {
  readonly options: BindOptions
  /** Asks about each peer that has proven its key. */
  readonly onHandshake: SocketEvents["onHandshake"]
  /** Called with each connection that the socket has accepted. */
  readonly onConnection: SocketEvents["onConnection"]
  readonly connections: Set<PortConnection>
  /** The unread bytes of all connections. */
  unread: number
  /** The connections whose peers send no more until there is room. */
  readonly heldBack: Set<PortConnection>
}
