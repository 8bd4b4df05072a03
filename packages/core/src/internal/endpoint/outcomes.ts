/**
 * The latest outcome of bootstrapping, and its changes.
 */
import type * as Bootstrap from "../../Bootstrap.ts"

/** Holds the latest outcome of bootstrapping. */
export class Outcomes {
  private current: Bootstrap.Outcome
  private readonly listeners = new Set<() => void>()

  constructor(first: Bootstrap.Outcome) {
    this.current = first
  }

  get latest(): Bootstrap.Outcome {
    return this.current
  }

  set latest(outcome: Bootstrap.Outcome) {
    this.current = outcome
    for (const listener of this.listeners) listener()
  }

  /** Calls `listener` after each change, until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }
}
