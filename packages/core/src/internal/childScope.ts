/** Runs an effect in a child of the caller's scope. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

/**
 * Runs `body` in a child of the caller's scope. `body` gets an effect that closes the child scope early. The child scope
 * closes when `body` fails, and else with the caller's scope.
 */
export const withChildScope = <A, E, R>(
  body: (close: Effect.Effect<void>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, Exclude<R, Scope.Scope> | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const scope = yield* Scope.fork(yield* Effect.scope)
      const close = Scope.close(scope, Exit.void)
      return yield* restore(Effect.provideService(body(close), Scope.Scope, scope)).pipe(
        Effect.onExit((exit) => (Exit.isFailure(exit) ? Scope.close(scope, exit) : Effect.void))
      )
    })
  )
