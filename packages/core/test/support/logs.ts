/**
 * Captures what an effect logs.
 */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"

/** What `effect` logs, as `level: text` line by line, with its outcome. */
export const logged = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => {
      const parts: ReadonlyArray<unknown> = Array.isArray(message) ? message : [message]
      lines.push(`${logLevel}: ${parts.map(String).join(" ")}`)
    })
    return Effect.map(Effect.provide(effect, Logger.layer([logger])), (outcome) => ({ lines, outcome }))
  })
