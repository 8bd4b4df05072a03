/**
 * Tries several ways to map a port, in order, until one succeeds.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { NoneMapped, type PortMapperError } from "../PortMapperError.ts"
import { withChildScope } from "./childScope.ts"

/** One way to map a port. */
export interface Attempt<A, R> {
  /** The name of the gateway or mapper. */
  readonly by: string
  readonly effect: Effect.Effect<A, PortMapperError, R | Scope.Scope>
}

type Failed = NoneMapped["attempts"]

/** Returns the first success. A failed attempt releases its resources before the next one begins. */
export const firstSuccessOf = <A, R = never>(
  attempts: ReadonlyArray<Attempt<A, R>>,
  failed: Failed = []
): Effect.Effect<A, PortMapperError, Exclude<R, Scope.Scope> | Scope.Scope> => {
  const [attempt, ...others] = attempts
  if (attempt === undefined) {
    return Effect.fail(failed.length === 1 ? failed[0]!.error : new NoneMapped({ attempts: failed }))
  }
  return Effect.catch(
    withChildScope(() => attempt.effect),
    (error) => firstSuccessOf(others, [...failed, ...failuresOf(attempt.by, error)])
  )
}

const failuresOf = (by: string, error: PortMapperError): Failed =>
  error._tag === "NoneMapped"
    ? error.attempts.map((attempt) => ({ by: `${by}, ${attempt.by}`, error: attempt.error }))
    : [{ by, error }]
