/**
 * Tells on the terminal what becomes of incoming files.
 *
 * @since 0.1.0
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as Stdio from "effect/Stdio"
import type { FileEvent } from "./FileReceiver.ts"
import * as Format from "./Format.ts"
import * as Progress from "./Progress.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface FileLog {
  readonly onEvent: (event: FileEvent) => Effect.Effect<void>
  /** Prints a line on standard output, not through the middle of a progress bar. */
  readonly say: (line: string) => Effect.Effect<void>
}

/**
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<FileLog, never, Stdio.Stdio> = Effect.gen(function* () {
  const context = yield* Effect.context<Stdio.Stdio>()
  const bars = new Map<string, Progress.Progress>()
  const clear = Effect.suspend(() => Effect.forEach(Array.from(bars.values()), (bar) => bar.clear, { discard: true }))
  const say = (line: string) => Effect.andThen(clear, Console.log(line))

  const onEvent = Effect.fnUntraced(function* (event: FileEvent) {
    const key = `${event.peer} ${event.name}`
    switch (event._tag) {
      case "Started": {
        yield* say(`${event.peer} sends ${event.name} (${Format.bytes(event.size)})`)
        bars.set(key, yield* Progress.make(event.name, event.size).pipe(Effect.provideContext(context)))
        return
      }
      case "Progress":
        return yield* bars.get(key)?.update(event.received) ?? Effect.void
      case "Received": {
        const rate = Format.throughput(event.size, event.elapsed)
        yield* say(`received ${event.path} (${Format.bytes(event.size)}) in ${Format.duration(event.elapsed)}, ${rate}`)
        bars.delete(key)
        return yield* say(`sha256 ${event.sha256}`)
      }
      case "Failed": {
        yield* clear
        bars.delete(key)
        return yield* Console.error(`${event.peer}: ${event.name} was not received: ${Format.visible(event.reason)}`)
      }
    }
  })

  return { onEvent, say }
})
