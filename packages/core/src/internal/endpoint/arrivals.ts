/**
 * Connections that peers made, until the application is told of them.
 *
 * A peer that verifies whether this endpoint can be reached makes a connection for it, asks for an echo together with the
 * last packet of its handshake, and closes the connection when it has the answer. So a connection on which an echo is asked
 * for in the turn that completes its handshake, before anything else comes, is taken for such a one: the application is not
 * told of it. It is told as soon as anything else comes: then the peer had more in mind. Every other connection is told of
 * in the turn that completes its handshake.
 */
import type { ConnectionImpl } from "../connection/connection.ts"
import { microtask } from "../microtask.ts"

export class Arrivals {
  /** Those whose turn is not over. */
  private readonly arriving = new Set<ConnectionImpl>()
  private readonly verifying = new Set<ConnectionImpl>()
  private readonly tell: (connection: ConnectionImpl) => void

  constructor(tell: (connection: ConnectionImpl) => void) {
    this.tell = tell
  }

  /** How many the application will be told of when their turn is over. */
  get size(): number {
    return this.arriving.size
  }

  add(connection: ConnectionImpl): void {
    this.arriving.add(connection)
    microtask(() => {
      if (this.arriving.delete(connection)) this.tell(connection)
    })
  }

  /** The peer asks for an echo. */
  onEcho(connection: ConnectionImpl): void {
    if (!connection.isUsed && this.arriving.delete(connection)) this.verifying.add(connection)
  }

  /** Something else has come. */
  onUsed(connection: ConnectionImpl): void {
    if (this.arriving.delete(connection) || this.verifying.delete(connection)) this.tell(connection)
  }

  onClosed(connection: ConnectionImpl): void {
    this.verifying.delete(connection)
    if (this.arriving.delete(connection)) this.tell(connection)
  }
}
