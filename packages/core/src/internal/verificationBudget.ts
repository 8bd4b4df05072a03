/**
 * Limits what verifications send to hosts that may have nothing to do with them.
 *
 * A peer may have any port of its own IP address verified, and others may be there: behind a NAT, or as its neighbours. What
 * they get is at most three times what the peer has sent on the connection over which it asks, as RFC 9000, section 8.1, has it
 * for addresses that are not proven. A verification that finds the peer costs nothing: the host is the peer.
 */
import * as Duration from "effect/Duration"

/** How many times the received bytes may be sent. */
const amplificationLimit = 3

/** The size of a datagram with a first packet, in bytes (RFC 9000, section 14.1). */
const datagramSize = 1_200

/**
 * How many datagrams a dial sends in how many milliseconds while no peer answers (RFC 9002, section 6.2), with the one that withdraws
 * it.
 */
const dials = [
  { datagrams: 2, millis: 900 },
  { datagrams: 3, millis: 2_700 },
  { datagrams: 5, millis: 6_300 },
  { datagrams: 7, millis: 13_500 },
  { datagrams: 9, millis: 27_000 }
] as const

/** A dial for a verification. */
export interface VerificationDial {
  /** How long it may take. */
  readonly limit: Duration.Duration
  /** What it takes of the budget, in bytes. */
  readonly bytes: number
}

/** The budgets of the connections of one endpoint. */
export class VerificationBudget<C extends object> {
  private readonly bytesReceived: (connection: C) => number
  private readonly spent = new WeakMap<C, number>()

  /** `bytesReceived` returns what the peer has sent on a connection. */
  constructor(bytesReceived: (connection: C) => number) {
    this.bytesReceived = bytesReceived
  }

  /** Whether a connection has a budget for another dial. */
  isEnough(connection: C): boolean {
    return this.left(connection) >= dials[0].datagrams * datagramSize
  }

  /** Begins a dial that should take up to `limit`, or less if the budget is small. Undefined when it is too small for any. */
  begin(connection: C, limit: Duration.Duration): VerificationDial | undefined {
    const left = this.left(connection)
    let dial: VerificationDial | undefined
    for (const { datagrams, millis } of dials) {
      const bytes = datagrams * datagramSize
      if (bytes > left) break
      dial = { limit: Duration.min(limit, Duration.millis(millis)), bytes }
      if (millis >= Duration.toMillis(limit)) break
    }
    if (dial !== undefined) this.take(connection, dial.bytes)
    return dial
  }

  /** The dial has found the peer. */
  refund(connection: C, { bytes }: VerificationDial): void {
    this.take(connection, -bytes)
  }

  private left(connection: C): number {
    return amplificationLimit * this.bytesReceived(connection) - (this.spent.get(connection) ?? 0)
  }

  private take(connection: C, bytes: number): void {
    this.spent.set(connection, (this.spent.get(connection) ?? 0) + bytes)
  }
}
