/**
 * The wait for the peer of a dialled connection to accept it.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { ConnectionError } from "../../ConnectionError.ts"

/** The peer's acceptance of one connection, and the callers that wait for it. */
export class Acceptance {
  /** How many callers wait. */
  waiting = 0
  /** Made when a caller waits. */
  private decision: Deferred.Deferred<void, ConnectionError> | undefined = undefined

  /** Waits until `resume` is called. */
  readonly wait: Effect.Effect<void, ConnectionError> = Effect.suspend(() => {
    const decision = (this.decision ??= Deferred.makeUnsafe())
    return Effect.acquireUseRelease(
      Effect.sync(() => (this.waiting += 1)),
      () => Deferred.await(decision),
      () => Effect.sync(() => (this.waiting -= 1))
    )
  })

  /** Resumes the callers that wait. `outcome` is evaluated only for them. */
  resume(outcome: () => Effect.Effect<void, ConnectionError>): void {
    if (this.decision !== undefined) Deferred.doneUnsafe(this.decision, outcome())
  }
}
