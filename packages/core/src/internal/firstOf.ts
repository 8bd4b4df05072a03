/**
 * One after the other, until one maps the port.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { NoneMapped, type PortMapperError } from "../PortMapperError.ts"
import { inScope } from "./inScope.ts"

export interface Attempt<A, R> {
  /** Who is asked. */
  readonly by: string
  readonly effect: Effect.Effect<A, PortMapperError, R | Scope.Scope>
}

type Failed = NoneMapped["attempts"]

/** What an attempt leaves behind is removed before the next one begins; what the successful one made lives on. */
export const firstOf = <A, R = never>(
  attempts: ReadonlyArray<Attempt<A, R>>,
  failed: Failed = []
): Effect.Effect<A, PortMapperError, Exclude<R, Scope.Scope> | Scope.Scope> => {
  const [attempt, ...others] = attempts
  if (attempt === undefined) {
    return Effect.fail(failed.length === 1 ? failed[0]!.error : new NoneMapped({ attempts: failed }))
  }
  return Effect.catch(
    inScope(() => attempt.effect),
    (error) => firstOf(others, [...failed, ...failuresOf(attempt.by, error)])
  )
}

const failuresOf = (by: string, error: PortMapperError): Failed =>
  error._tag === "NoneMapped"
    ? error.attempts.map((attempt) => ({ by: `${by}, ${attempt.by}`, error: attempt.error }))
    : [{ by, error }]
