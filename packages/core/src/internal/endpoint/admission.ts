/**
 * Asks the program's policy about each peer that has proven its key.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { acceptAll, type Peer } from "../../PeerPolicy.ts"

/** Asks a `PeerPolicy`. A policy that fails, has a defect, answers no boolean, or does not answer in time refuses the peer. */
export class Admission {
  private readonly policy: (peer: Peer) => Effect.Effect<boolean>
  private readonly limit: Duration.Duration
  private readonly background: (effect: Effect.Effect<unknown>) => unknown

  /** `limit` is the longest time of an answer; `background` runs an effect in the endpoint's scope. */
  constructor(
    policy: (peer: Peer) => Effect.Effect<boolean>,
    limit: Duration.Duration,
    background: (effect: Effect.Effect<unknown>) => unknown
  ) {
    this.policy = policy
    this.limit = limit
    this.background = background
  }

  /** Asks about a peer. The policy that accepts every peer costs no fiber. */
  ask(peer: Peer, decide: (isAdmitted: boolean) => void): void {
    if (this.policy === acceptAll) return decide(true)
    const asked = Effect.suspend(() => {
      const answer: unknown = this.policy(peer)
      return Effect.isEffect(answer) ? (answer as Effect.Effect<unknown>) : Effect.succeed(answer)
    })
    const answer = Effect.timeoutOption(asked, this.limit).pipe(
      Effect.map((admitted) => admitted._tag === "Some" && admitted.value === true)
    )
    this.background(
      Effect.onExit(answer, (exit) =>
        Effect.andThen(
          Effect.sync(() => decide(Exit.isSuccess(exit) && exit.value)),
          Exit.isFailure(exit) && !Exit.hasInterrupts(exit)
            ? Effect.logWarning("the PeerPolicy failed, so that a peer is refused", exit.cause)
            : Effect.void
        )
      ).pipe(Effect.ignoreCause)
    )
  }
}
