/** The wire and the sockets of `MemoryTransport`. */
import type { BindOptions } from "@qp2p/core/Transport"
import type { Place } from "../network/place.ts"
import type { Port } from "../network/realm.ts"
import { Wire } from "../network/wire.ts"
import type { MemoryConnection } from "./connection.ts"
import type { Link } from "./link.ts"

/** A bound socket. */
export interface MemoryPort extends Port {
  readonly options: BindOptions
  readonly connections: Set<MemoryConnection>
  /** The unread bytes of all connections. */
  unread: number
  /**
   * Receives a dial that has arrived and seems to come from `source`. Calls `answered` when its answer has reached the
   * dialler.
   */
  readonly knock: (dialler: MemoryConnection, source: Place, answered: () => void) => void
}

export class MemoryWire extends Wire<MemoryPort> {
  readonly links = new Set<Link>()
  private dials = 0

  /** The seniority of the next dial: a text that sorts in the order of dials. */
  nextSeniority(): string {
    return String(this.dials++).padStart(16, "0")
  }

  /** Removes every cut, and sends lost packets again. */
  heal() {
    this.conditions.heal()
    this.resend()
  }

  resend() {
    for (const link of this.links) link.resend()
  }
}
