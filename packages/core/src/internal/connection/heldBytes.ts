/**
 * The bytes of a connection's peer that are held above the transport: of messages that have arrived in part, and of streams that the
 * application or a handler has not read.
 */
import type { BackingConnection } from "../../Transport.ts"
import { chargeStep } from "./limits.ts"

/** Counts the held bytes of one connection, which count against the memory of all connections. */
export class HeldBytes {
  private readonly backing: Pick<BackingConnection, "charge">
  private bytes = 0
  /** The part of `bytes` that the transport knows. */
  private charged = 0
  private isOver = false

  constructor(backing: Pick<BackingConnection, "charge">) {
    this.backing = backing
  }

  /** So many bytes more are held, or fewer. Tells the transport in steps: a short message costs no call. */
  change(by: number): void {
    if (this.isOver) return
    this.bytes += by
    const charged = this.bytes - (this.bytes % chargeStep)
    if (charged === this.charged) return
    const change = charged - this.charged
    this.charged = charged
    this.backing.charge?.(change)
  }

  /** The connection has ended: the transport counts nothing for it any more. */
  end(): void {
    this.isOver = true
  }
}
