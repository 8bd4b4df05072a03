/**
 * Holds inbound connections until they are announced to the application.
 *
 * A peer that verifies this endpoint dials a connection for it, sends an echo question with the last packet of its handshake,
 * and closes the connection after the answer. A connection that gets an echo question before anything else, in the turn that
 * completes its handshake, therefore counts as a verification and is not announced. It is announced as soon as anything else
 * arrives on it. Every other connection is announced in the turn that completes its handshake.
 */
import type { ConnectionImpl } from "../connection/connection.ts"
import { microtask } from "../microtask.ts"

/** The inbound connections that are not announced yet. */
export class PendingInbound {
  /** The connections whose handshake has completed in this turn. */
  private readonly pending = new Set<ConnectionImpl>()
  /** The connections that have carried only echo questions. */
  private readonly verifying = new Set<ConnectionImpl>()
  private readonly announce: (connection: ConnectionImpl) => void

  constructor(announce: (connection: ConnectionImpl) => void) {
    this.announce = announce
  }

  /** The number of connections that will be announced at the end of this turn. */
  get size(): number {
    return this.pending.size
  }

  add(connection: ConnectionImpl): void {
    this.pending.add(connection)
    microtask(() => {
      if (this.pending.delete(connection)) this.announce(connection)
    })
  }

  /** The peer has sent an echo question. */
  onEcho(connection: ConnectionImpl): void {
    if (!connection.isUsed && this.pending.delete(connection)) this.verifying.add(connection)
  }

  /** Something other than an echo question has passed on the connection. */
  onUsed(connection: ConnectionImpl): void {
    if (this.pending.delete(connection) || this.verifying.delete(connection)) this.announce(connection)
  }

  onClosed(connection: ConnectionImpl): void {
    this.verifying.delete(connection)
    if (this.pending.delete(connection)) this.announce(connection)
  }
}
