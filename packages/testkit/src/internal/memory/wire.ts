/** The wire that `MemoryTransport` sends its packets on. */
import { Wire } from "../network/wire.ts"
import { DatagramRules } from "./datagrams.ts"
import type { Link } from "./link.ts"
import type { MemoryPort } from "./port.ts"

/** The wire of all memory transports of a network: it numbers the dials and keeps the links between ports. */
export class MemoryWire extends Wire<MemoryPort> {
  readonly links = new Set<Link<MemoryPort>>()
  readonly datagrams = new DatagramRules()
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
