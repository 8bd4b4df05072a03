import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { StepFailed } from "../src/internal/Spawned.ts"

/** Waits for `condition`; a failure after `limit` says what was awaited. */
export const until = <E, R>(
  what: string,
  condition: Effect.Effect<boolean, E, R>,
  limit: Duration.Input = "20 seconds"
): Effect.Effect<void, E | StepFailed, R> =>
  Effect.gen(function* () {
    while (!(yield* condition)) yield* Effect.sleep("50 millis")
  }).pipe(
    Effect.timeoutOrElse({
      duration: limit,
      orElse: () => Effect.fail(new StepFailed({ step: what, detail: "never happened" }))
    })
  )
