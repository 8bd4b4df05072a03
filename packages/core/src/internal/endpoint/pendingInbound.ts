/**
 * Holds inbound connections until they are announced to the application.
 *
 * A peer that verifies this endpoint dials a connection for it, sends an echo question with the last packet of its handshake,
 * and closes the connection after the answer. A connection that gets an echo question before anything else, in the turn that
 * completes its handshake, therefore counts as a verification and is not announced. It is announced as soon as anything else
 * arrives on it, and closed when nothing else arrives in time. Every other connection is announced in the turn that completes
 * its handshake.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { PeerKey } from "../../ConnectionPool.ts"
import { addressKey } from "../addressKey.ts"
import type { ConnectionImpl } from "../connection/connection.ts"
import { microtask } from "../microtask.ts"

/** The options of `PendingInbound`. */
export interface PendingInboundOptions {
  readonly announce: (connection: ConnectionImpl) => void
  /** The longest time that a connection may carry only echo questions. Then it is closed with code 0. */
  readonly verificationTimeout: Duration.Duration
  /** Runs an effect in the endpoint's scope. */
  readonly background: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
}

/** The inbound connections that are not announced yet. */
export class PendingInbound {
  /** The connections whose handshake has completed in this turn. */
  private readonly pending = new Set<ConnectionImpl>()
  /** The connections that have carried only echo questions, with the fibers that close them. */
  private readonly verifying = new Map<ConnectionImpl, Fiber.Fiber<void>>()
  private readonly options: PendingInboundOptions

  constructor(options: PendingInboundOptions) {
    this.options = options
  }

  /** The number of connections that may still be announced. */
  get size(): number {
    return this.pending.size + this.verifying.size
  }

  /** Returns the connections with `peer`. */
  with(peer: PeerKey): ReadonlyArray<ConnectionImpl> {
    const connections = [...this.pending, ...this.verifying.keys()]
    if (typeof peer === "string") return connections.filter(({ peerId }) => peerId === peer)
    const key = addressKey(peer)
    return connections.filter(({ remoteAddress }) => addressKey(remoteAddress) === key)
  }

  add(connection: ConnectionImpl): void {
    this.pending.add(connection)
    microtask(() => {
      if (this.pending.delete(connection)) this.options.announce(connection)
    })
  }

  /** The peer has sent an echo question. */
  onEcho(connection: ConnectionImpl): void {
    if (connection.isUsed || !this.pending.delete(connection)) return
    const { background, verificationTimeout } = this.options
    const close = Effect.delay(
      Effect.suspend(() => connection.close()),
      verificationTimeout
    )
    this.verifying.set(connection, background(close))
  }

  /** Something other than an echo question has passed on the connection. */
  onUsed(connection: ConnectionImpl): void {
    if (this.pending.delete(connection) || this.endVerifying(connection)) this.options.announce(connection)
  }

  onClosed(connection: ConnectionImpl): void {
    this.endVerifying(connection)
    if (this.pending.delete(connection)) this.options.announce(connection)
  }

  /** Ends the wait of a connection. Returns false when the connection is not one that verifies. */
  private endVerifying(connection: ConnectionImpl): boolean {
    const closing = this.verifying.get(connection)
    if (closing === undefined) return false
    this.verifying.delete(connection)
    closing.interruptUnsafe()
    return true
  }
}
