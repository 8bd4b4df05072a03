/**
 * Asks the program's policy about each peer that has proven its key.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { acceptAll, type Peer } from "../../PeerPolicy.ts"

/** The options of `Admission`. */
export interface AdmissionOptions {
  readonly policy: (peer: Peer) => Effect.Effect<boolean>
  /** The longest time of an answer. */
  readonly limit: Duration.Duration
  /** Runs an effect in the endpoint's scope. */
  readonly background: (effect: Effect.Effect<unknown>) => Fiber.Fiber<unknown, unknown>
  /** Returns the time of a monotonic clock, in milliseconds. */
  readonly now: () => number
  /** The policy has not given an answer. `fault` says why, as a verb with its object. */
  readonly onFault: (peer: Peer, fault: string, cause?: Cause.Cause<unknown>) => void
}

/** Asks a `PeerPolicy`. A policy that fails, has a defect, answers no boolean, or does not answer in time refuses the peer. */
export class Admission {
  private readonly options: AdmissionOptions

  constructor(options: AdmissionOptions) {
    this.options = options
  }

  /**
   * Asks about a peer. The policy that accepts every peer costs no fiber. The returned function ends the question, when the
   * connection has ended before the answer.
   */
  ask(peer: Peer, decide: (isAdmitted: boolean) => void): (() => void) | undefined {
    const { background, limit, now, onFault, policy } = this.options
    if (policy === acceptAll) {
      decide(true)
      return undefined
    }
    // A policy without types may return anything.
    const asked: Effect.Effect<unknown> = Effect.suspend(() => {
      const answer = policy(peer)
      return Effect.isEffect(answer) ? answer : Effect.succeed(answer)
    })
    const decided = Effect.onExit(Effect.timeoutOption(asked, limit), (exit) =>
      Effect.sync(() => {
        decide(Exit.isSuccess(exit) && Option.isSome(exit.value) && exit.value.value === true)
        if (Exit.isSuccess(exit)) {
          if (Option.isNone(exit.value)) onFault(peer, tooLate)
          else if (typeof exit.value.value !== "boolean") onFault(peer, "answered no boolean")
        } else if (!Cause.hasInterruptsOnly(exit.cause)) onFault(peer, "failed", exit.cause)
      })
    )
    const began = now()
    const fiber = background(Effect.ignoreCause(decided))
    return () => {
      // The limit of the handshake is the same and has begun earlier, so that the connection may end first.
      if (now() - began >= Duration.toMillis(limit) / 2) onFault(peer, tooLate)
      fiber.interruptUnsafe()
    }
  }
}

const tooLate = "did not answer in time"
