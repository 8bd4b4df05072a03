/**
 * The decision whether the peer of a connection is admitted. A connection has it until it is established.
 */
import type { Close } from "@qp2p/core/Close"
import type { ConnectionEvents } from "@qp2p/core/Transport"
import type { ConnectionOwner } from "./connectionHost.ts"

/** Asks the owner of a connection about its peer, keeps what was decided, and tells the owner what became of the connection. */
export class PeerDecision<C> {
  private readonly owner: ConnectionOwner<C>
  private decision: boolean | undefined = undefined
  /** Ends the question. */
  private cancel: (() => void) | undefined = undefined

  constructor(owner: ConnectionOwner<C>) {
    this.owner = owner
  }

  /** Whether the peer is admitted; undefined until that is decided. */
  get isAdmitted(): boolean | undefined {
    return this.decision
  }

  /** Asks about the peer. `onDecided` is called once, perhaps before this returns. */
  ask(connection: C, onDecided: () => void): void {
    this.cancel = this.owner.admit(connection, (isAdmitted) => {
      if (this.decision !== undefined) return
      this.decision = isAdmitted
      onDecided()
    })
  }

  /** Ends the question, if it is not decided yet. */
  withdraw(): void {
    if (this.decision === undefined) this.cancel?.()
  }

  /** The connection of a peer that is admitted is established. */
  onEstablished(connection: C): ConnectionEvents {
    return this.owner.onEstablished(connection)
  }

  /** The connection has ended without having been established. */
  onEnded(connection: C, close: Close): void {
    this.owner.onEnded(connection, close)
  }
}
