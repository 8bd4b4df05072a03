/**
 * Retries an operation by the program's `RetrySchedule`, until the endpoint stops.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { EndpointStopped } from "../../ConnectionError.ts"
import { InvalidArgument } from "../../InvalidArgument.ts"
import { exponential } from "../../RetrySchedule.ts"
import * as args from "../arguments.ts"

/** The view of an endpoint. */
export interface RetryOwner {
  readonly retrySchedule: (retryDuration: Duration.Duration) => Schedule.Schedule<unknown>
  readonly connections: {
    /** Fails when the endpoint stops. */
    readonly untilStopped: Effect.Effect<never, EndpointStopped>
  }
}

/**
 * Retries an effect while `isTransient` holds for its error. The first attempt ends by itself when the endpoint stops, delays and later
 * attempts at once.
 */
export const retrying = <A, E>(
  { connections, retrySchedule }: RetryOwner,
  effect: Effect.Effect<A, E>,
  options: {
    readonly duration: Duration.Duration
    readonly isTransient: (error: E) => boolean
    readonly failure: (error: EndpointStopped | InvalidArgument) => E
  }
): Effect.Effect<A, E> => {
  const { duration, failure, isTransient } = options
  if (Duration.isZero(duration)) return effect
  // The default policy makes a schedule of every duration, and most attempts need none.
  const made = retrySchedule === exponential ? undefined : scheduleOf(retrySchedule, duration)
  if (made !== undefined && !Schedule.isSchedule(made)) return Effect.fail(failure(made))
  const again = (first: E): Effect.Effect<A, E> => {
    const schedule = made ?? exponential(duration)
    let told: E | undefined = first
    const attempt = Effect.suspend(() => {
      if (told === undefined) return effect
      const error = told
      told = undefined
      return Effect.fail(error)
    })
    return Effect.raceFirst(
      Effect.retry(attempt, { while: isTransient, schedule }),
      Effect.mapError(connections.untilStopped, failure)
    )
  }
  // An attempt that succeeds at once does without the two fibers of a race.
  return Effect.catch(effect, (error) => (isTransient(error) ? again(error) : Effect.fail(error)))
}

const scheduleOf = (
  policy: RetryOwner["retrySchedule"],
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
