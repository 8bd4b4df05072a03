/** Runs an effect in a scope of its own below the caller's. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

/**
 * Runs `body` in a scope of its own below the caller's, so that what it makes can be closed before the caller's scope is,
 * and leaves nothing behind when it fails.
 */
export const inScope = <A, E, R>(
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
