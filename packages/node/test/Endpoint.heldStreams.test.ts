/**
 * Streams that wait because nobody ends others.
 */
// @module-tag slow
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { maxOpenStreams, streamCredit } from "../src/internal/tunables/streams.ts"
import type { SendStream } from "@qp2p/core/SendStream"
import { bytes, textOf } from "../../core/test/support/values.ts"
import * as live from "./support/quicEndpoints.ts"
import { until } from "./support/quicSockets.ts"

/** Runs `effect` with the warnings that it logs. */
const warned = <A, E, R>(effect: (warnings: ReadonlyArray<string>) => Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const warnings: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => {
      if (logLevel === "Warn") warnings.push(String(Array.isArray(message) ? message[0] : message))
    })
    return Effect.provide(effect(warnings), Logger.layer([logger]))
  })

describe("streams that wait because others do not end", () => {
  it.live(
    "by the one who opened them: it is told once, with their number, and again when it comes to that again",
    () =>
      warned((warnings) =>
        Effect.gen(function* () {
          const [one, two] = yield* live.pair()
          const connection = yield* one.connectTo(two.localAddress)
          yield* Effect.forkScoped(Stream.runDrain(two.incomingMessages))
          const open = Effect.tap(connection.openUni(), (stream) => stream.sendMessage(bytes("hello")))
          const held = yield* Effect.forEach(Array.from({ length: maxOpenStreams }), () => open)
          const line = `streams to ${two.localAddress} wait: ${maxOpenStreams} that were opened here are not finished`
          assert.deepStrictEqual(warnings, [])
          for (let times = 1; times <= 2; times++) {
            // It is queued, and has no place before another is finished. Whoever waits next is told anew.
            const further = yield* open
            yield* until("the warning", () => warnings.length === times)
            assert.strictEqual(warnings.at(-1), line)
            yield* held.pop()!.finish
            held.push(further)
          }
          assert.strictEqual(warnings.length, 2)
        })
      ).pipe(live.onLoopback),
    60_000
  )

  it.live(
    "by the one who replies: both sides tell it",
    () =>
      warned((warnings) =>
        Effect.gen(function* () {
          const [one, two] = yield* live.pair()
          const connection = yield* one.connectTo(two.localAddress)
          const replies: Array<SendStream> = []
          yield* two.incomingMessages.pipe(
            Stream.runForEach(({ reply }) => Effect.sync(() => replies.push(Option.getOrThrow(reply)))),
            Effect.forkScoped
          )
          const ask = Effect.gen(function* () {
            const stream = yield* connection.openBi()
            yield* stream.send.sendMessage(bytes("hello"), { fin: true })
            return stream
          })
          const asked = yield* Effect.forEach(Array.from({ length: streamCredit }), () => ask, { concurrency: 100 })
          yield* until("the questions", () => replies.length === streamCredit)
          const waiting = yield* Effect.forkChild(ask)
          yield* until("the warnings", () => warnings.length === 2)
          assert.deepStrictEqual(warnings.toSorted(), [
            `${one.localAddress} can open no more streams: ${streamCredit} replies to it are not finished`,
            `streams to ${two.localAddress} wait: ${streamCredit} answers are not finished there, or not read here`
          ])
          yield* replies[0]!.sendMessage(bytes("at last"), { fin: true })
          assert.strictEqual(textOf(yield* asked[0]!.receive.next), "at last")
          for (const reply of replies.slice(1)) yield* Effect.forkScoped(Effect.ignore(reply.finish))
          yield* Fiber.join(waiting)
        })
      ).pipe(live.onLoopback),
    60_000
  )
})
