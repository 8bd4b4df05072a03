/**
 * What a connection needs of the socket, and of the dial or the acceptance that made it.
 */
import type { Close } from "@qp2p/core/Close"
import type { ConnectionEvents } from "@qp2p/core/Transport"
import type { IssuedId } from "../packets/idSupply.ts"
import type { Outbox } from "../path/outbox.ts"

/** The view of the socket. */
export interface ConnectionHost<C> {
  /** Gives the connection a turn soon. */
  readonly schedule: (connection: C) => void
  /** Gives the connection a turn at its deadline at the latest. */
  readonly updateDeadline: (connection: C) => void
  /** Packets with this destination id belong to the connection from now on, or no longer. */
  readonly addId: (connection: C, key: string) => void
  readonly removeId: (connection: C, key: string) => void
  /** Makes an id of this side's, with a stateless reset token. */
  readonly newId: () => IssuedId
  /** A packet for no connection that ends with the token `key` is a stateless reset of this one. */
  readonly setResetToken: (connection: C, key: string) => void
  readonly outbox: Outbox
  /** The connection's `remoteAddress` has changed. */
  readonly onMoved: (connection: C) => void
  /** The handshake is complete, and what both sides ask for is known. */
  readonly onEstablished: (connection: C) => void
  /** The connection has ended; late packets may still come. */
  readonly onEnded: (connection: C) => void
  /** This many bytes more, or fewer, wait on the connection until they are read. */
  readonly onUnread: (connection: C, change: number) => void
  /** How much of the limit for unread bytes is in use, as a part of it. */
  readonly fill: (connection: C) => number
  /** The system has refused to send a packet of an established connection. */
  readonly onRefused: (connection: C, code: string) => void
  /** A buffer that is lent for a read. */
  readonly scratch: Uint8Array
  /** The limit for one peer, in bytes per millisecond. */
  readonly sendRate: number
  /** This side's, in milliseconds; `Infinity` for none. */
  readonly idleTimeout: number
}

/** The view of the dial or the acceptance. */
export interface ConnectionOwner<C> {
  /** The peer has proven its key. `decide` is told, at once or later, whether the connection may go on. The returned function ends the question. */
  readonly admit: (connection: C, decide: (isAdmitted: boolean) => void) => (() => void) | undefined
  /** The handshake is complete, and the peer is admitted. */
  readonly onEstablished: (connection: C) => ConnectionEvents
  /** The handshake has failed, or the peer was refused. Once the connection is established, it forgets its owner. */
  readonly onEnded: (connection: C, close: Close) => void
}
