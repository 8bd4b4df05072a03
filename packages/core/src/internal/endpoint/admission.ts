/**
 * Asks the program's policy about each peer that has proven its key.
 */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { acceptAll, type Peer } from "../../PeerPolicy.ts"

/** The options of `Admission`. */
export interface AdmissionOptions {
  readonly policy: (peer: Peer) => Effect.Effect<boolean>
  /** The longest time of an answer. */
  readonly limit: Duration.Duration
  /** Runs an effect in the endpoint's scope. */
  readonly background: (effect: Effect.Effect<unknown>) => unknown
  /** The policy has failed, or has a defect. */
  readonly onDefect: (peer: Peer, cause: Cause.Cause<unknown>) => void
}

/** Asks a `PeerPolicy`. A policy that fails, has a defect, answers no boolean, or does not answer in time refuses the peer. */
export class Admission {
  private readonly options: AdmissionOptions

  constructor(options: AdmissionOptions) {
    this.options = options
  }

  /** Asks about a peer. The policy that accepts every peer costs no fiber. */
  ask(peer: Peer, decide: (isAdmitted: boolean) => void): void {
    const { background, limit, onDefect, policy } = this.options
    if (policy === acceptAll) return decide(true)
    // A policy without types may return anything.
    const asked: Effect.Effect<unknown> = Effect.suspend(() => {
      const answer = policy(peer)
      return Effect.isEffect(answer) ? answer : Effect.succeed(answer)
    })
    const decided = Effect.onExit(Effect.timeoutOption(asked, limit), (exit) =>
      Effect.sync(() => {
        decide(Exit.isSuccess(exit) && Option.isSome(exit.value) && exit.value.value === true)
        if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) onDefect(peer, exit.cause)
      })
    )
    background(Effect.ignoreCause(decided))
  }
}
