/** What the recorders of one socket write down. */

/** The events of one socket, in order, and those that break the contract. */
export interface Log {
  readonly events: Array<string>
  readonly faults: Array<string>
}
