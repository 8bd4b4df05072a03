/**
 * Answers the questions that peers ask the endpoint.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { constTrue } from "effect/Function"
import * as Option from "effect/Option"
import type * as Bootstrap from "../../Bootstrap.ts"
import type * as WireMessage from "../../WireMessage.ts"
import type { Reply } from "../connection/reply.ts"

/** The options of `answerWith`. */
export interface AnsweringOptions {
  readonly respond: Bootstrap.Bootstrap["Service"]["respond"]
  /** Runs an effect in the endpoint's scope. */
  readonly background: (effect: Effect.Effect<void>) => unknown
}

type Answer = Exit.Exit<Option.Option<WireMessage.ControlMessage>>

/**
 * Queues a question of a peer behind the earlier ones on its stream. Its turn answers it, or gives no answer unless
 * `isAffordable`.
 */
export const answerWith =
  ({ background, respond }: AnsweringOptions) =>
  (
    asker: Bootstrap.Asker,
    message: WireMessage.ControlMessage,
    reply: Reply,
    isAffordable: () => boolean = constTrue
  ): void => {
    const end = (exit: Answer) => reply.answer(Exit.isSuccess(exit) ? Option.getOrUndefined(exit.value) : undefined)
    reply.question(() => {
      if (!isAffordable()) return reply.answer(undefined)
      const answer = attempted(() => respond(asker, message))
      // An answer that is known at once, as to an echo question, takes no fiber.
      if (Exit.isExit(answer)) return end(answer as Answer)
      background(Effect.asVoid(Effect.onExit(answer, (exit) => Effect.sync(() => end(exit)))))
    })
  }

/** Calls a function of the program's, whose defect must cost no more than the answer. */
const attempted = <A>(respond: () => Effect.Effect<A>): Effect.Effect<A> => {
  try {
    return respond()
  } catch (defect) {
    return Effect.die(defect)
  }
}
