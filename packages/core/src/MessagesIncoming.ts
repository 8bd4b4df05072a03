/**
 * The typed messages and questions that arrive, and how many came.
 *
 * @stability unstable
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { PeerId } from "./PeerId.ts"
import type { SerializationError } from "./SendError.ts"

/**
 * A message or a question that has arrived.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Incoming<out Message, in Answer = never> {
  /** The peer that sent it: the key that it has proven. */
  readonly peerId: PeerId
  /** The value, as the schema decodes it. */
  readonly value: Message
  /** Whether the peer waits for an answer. */
  readonly isQuestion: boolean
  /**
   * Answers a question. Completes when the answer is queued. The first answer counts; later ones, one to a peer that no longer waits,
   * and one to a message that was sent and not asked, are dropped. Fails only when the own schema or `maxMessageSize` refuses the
   * answer, and the question can then still be answered.
   */
  readonly reply: (answer: Answer) => Effect.Effect<void, SerializationError>
}

/**
 * How many values have come from peers since the start, and how many were refused.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Counts {
  /** Messages and questions that were put into `incoming`. */
  readonly received: number
  /** The frame, the JSON or the schema was wrong. */
  readonly malformed: number
  /** The value was larger than `maxMessageSize`. */
  readonly tooLarge: number
  /** Questions whose `reply` was not called in time. They are in `received` as well. */
  readonly notAnswered: number
  /** Questions whose answers were more than the peer's share. They are in `received` as well. */
  readonly overloaded: number
  /** The peer sent less than 1 KiB in a second, after 30 s. */
  readonly tooSlow: number
}
