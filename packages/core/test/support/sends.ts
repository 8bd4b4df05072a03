/**
 * Two endpoints in memory and what passes between them: what one sends, and what the other can take.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import { createHash } from "node:crypto"
import type { Endpoint } from "../../src/Endpoint.ts"
import type { SendError } from "../../src/SendError.ts"
import { textOf } from "./common.ts"
import { pair, setLatency, settle } from "./memory.ts"

/** The second endpoint of `pair`. */
export const peer = "10.0.0.2:2"

export const sha256 = (content: Uint8Array) => createHash("sha256").update(content).digest("hex")

/** The messages that are there to take, and no more. */
export const taken = Effect.fnUntraced(function* (from: Endpoint["Service"]) {
  const payloads: Array<Uint8Array> = []
  while (true) {
    const next = yield* from.nextMessage.pipe(
      Effect.timeoutOption(0),
      Effect.orElseSucceed(() => Option.none())
    )
    if (Option.isNone(next)) return payloads
    payloads.push(next.value.payload)
    // What waited for room comes up.
    yield* settle
  }
})

export const takenTexts = (from: Endpoint["Service"]) => Effect.map(taken(from), (payloads) => payloads.map(textOf))

/** The tag of a send's error; of the connection's error where the connection was lost. */
export const lossOf = (error: SendError | { readonly _tag: "NotConnected" }) =>
  error._tag === "ConnectionLost" ? error.reason._tag : error._tag

/** Both endpoints with a connection, and 50 ms each way between them. */
export const apart = Effect.gen(function* () {
  const [one, two] = yield* pair()
  const connection = yield* one.connectTo(peer)
  yield* settle
  yield* setLatency("50 millis")
  return { one, two, connection }
})

/** Lets time pass in small steps, so that what one step causes is timed from there. */
export const pass = (millis: number) =>
  Effect.forEach(Array.from({ length: millis / 10 }), () => Effect.andThen(TestClock.adjust(10), settle), {
    discard: true
  })
