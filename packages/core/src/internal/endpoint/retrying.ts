/**
 * Tries an operation again, in the rhythm of the program's `RetrySchedule`, for as long as the endpoint lives.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { EndpointStopped } from "../../ConnectionError.ts"
import { InvalidArgument } from "../../InvalidArgument.ts"
import * as args from "../arguments.ts"
import type { Node } from "./node.ts"

/** Tries again while that may help, and while the endpoint lives: the waits between can be long. */
export const retrying = <A, E>(
  { connections, retrySchedule }: Node,
  effect: Effect.Effect<A, E>,
  options: {
    readonly duration: Duration.Duration
    readonly isWorthIt: (error: E) => boolean
    readonly failure: (error: EndpointStopped | InvalidArgument) => E
  }
): Effect.Effect<A, E> => {
  const { duration, failure, isWorthIt } = options
  if (Duration.isZero(duration)) return effect
  const schedule = scheduleOf(retrySchedule, duration)
  if (!Schedule.isSchedule(schedule)) return Effect.fail(failure(schedule))
  return Effect.raceFirst(
    Effect.retry(effect, { while: isWorthIt, schedule }),
    Effect.mapError(connections.untilStopped, failure)
  )
}

const scheduleOf = (
  policy: Node["retrySchedule"],
  duration: Duration.Duration
): Schedule.Schedule<unknown> | InvalidArgument => {
  let made: unknown
  try {
    made = policy(duration)
  } catch (error) {
    made = error
  }
  if (Schedule.isSchedule(made)) return made as Schedule.Schedule<unknown>
  const detail = `must make a Schedule, got ${args.show(made)}`
  return made instanceof InvalidArgument ? made : new InvalidArgument({ argument: "RetrySchedule", detail })
}
