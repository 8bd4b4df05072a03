/**
 * Prints the progress and the results of incoming files.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stdio from "effect/Stdio"
import type { FileEvent } from "./FileReceiver.ts"
import * as Format from "./Format.ts"
import * as Progress from "./Progress.ts"

/**
 * The output of a command that receives files.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface FileLog {
  /** Prints the line or the progress of an event. */
  readonly onEvent: (event: FileEvent) => Effect.Effect<void>
  /** Prints a line on standard output, without breaking a progress bar. */
  readonly say: (line: string) => Effect.Effect<void>
  /** Prints a line on standard error, without breaking a progress bar. */
  readonly warn: (line: string) => Effect.Effect<void>
}

/**
 * A log that ends the line of its progress bars when the scope closes. With `quiet` it writes nothing to standard
 * output, which then has another use, such as the content of a file.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: { readonly quiet?: boolean } = {}
): Effect.fn.Return<FileLog, never, Stdio.Stdio | Scope.Scope> {
  const context = yield* Effect.context<Stdio.Stdio>()
  const bars = new Map<string, Progress.Progress>()
  const clear = Effect.suspend(() => Effect.forEach(Array.from(bars.values()), (bar) => bar.clear, { discard: true }))
  const print = options.quiet === true ? Console.error : Console.log
  const say = (line: string) => Effect.andThen(clear, print(Format.visible(line)))
  const warn = (line: string) => Effect.andThen(clear, Console.error(Format.visible(line)))

  yield* Effect.addFinalizer(() => Effect.forEach(Array.from(bars.values()), (bar) => bar.end, { discard: true }))

  const onEvent = Effect.fnUntraced(function* (event: FileEvent) {
    const key = `${event.peer} ${event.name}`
    switch (event._tag) {
      case "Started": {
        const size = Option.match(event.size, { onNone: () => "size unknown", onSome: Format.bytes })
        yield* say(`${event.peer} sends ${event.name} (${size})`)
        bars.set(key, yield* Progress.make(event.name, event.size).pipe(Effect.provideContext(context)))
        return
      }
      case "Progress":
        return yield* bars.get(key)?.update(event.received) ?? Effect.void
      case "Received": {
        const took = Format.took(event.size, event.elapsed)
        yield* say(`received ${event.path} (${Format.bytes(event.size)}) ${took}`)
        bars.delete(key)
        return yield* say(`sha256 ${event.sha256}`)
      }
      case "Failed": {
        yield* bars.get(key)?.end ?? Effect.void
        bars.delete(key)
        return yield* warn(`${event.peer}: ${event.name} was not received: ${event.detail}`)
      }
    }
  })

  return { onEvent, say, warn }
})
