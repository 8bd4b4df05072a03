/** What `MemoryTransport` puts on the network. */
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
  /** Bytes that wait to be read, on all connections. */
  unread: number
  /**
   * Takes a dial that has arrived and seems to come from `source`; calls `answered` when its answer is back with the
   * dialler.
   */
  readonly knock: (dialler: MemoryConnection, source: Place, answered: () => void) => void
}

export class MemoryWire extends Wire<MemoryPort> {
  readonly links = new Set<Link>()
  private dials = 0

  /** A dial's place among all, as text that sorts. */
  nextSeniority(): string {
    return String(this.dials++).padStart(16, "0")
  }

  /** Undoes every cut, and sends again what was lost by them. */
  heal() {
    this.conditions.heal()
    this.resend()
  }

  resend() {
    for (const link of this.links) link.resend()
  }
}
