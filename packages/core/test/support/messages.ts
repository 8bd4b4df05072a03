/**
 * Typed messages for tests, and bare peers that speak their frames.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Messages from "../../src/Messages.ts"
import { Endpoint } from "../../src/Endpoint.ts"
import { endpoint, pair, settle } from "./memoryEndpoints.ts"
import { raw } from "./bareSockets.ts"
import { joined, openRaw, openReq } from "./protocols.ts"
import { bytes } from "./values.ts"

export const Note = Schema.Struct({ text: Schema.NonEmptyString, at: Schema.DateTimeUtc })

/** A text of at least one character, answered with a number. */
export const schemas = { message: Schema.NonEmptyString, answer: Schema.Finite }

export const on = <A, E, R>(service: Endpoint["Service"], effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, Endpoint, service)

/** Two endpoints at 10.0.0.1:1 and 10.0.0.2:2 with messages between them. */
export const messagesPair = Effect.fnUntraced(function* (options?: Messages.Options) {
  const [one, two] = yield* pair()
  const ann = yield* on(one, Messages.make("notes", schemas, options))
  const bob = yield* on(two, Messages.make("notes", schemas, options))
  return { one, two, ann, bob }
})

/** Answers each question with the length of its text, and collects what is there. */
export const answerLengths = (messages: Messages.Messages<string, number>, seen: Array<string> = []) =>
  messages.incoming.pipe(
    Stream.runForEach(({ reply, value }) => {
      seen.push(value)
      return reply(value.length)
    }),
    Effect.forkScoped,
    Effect.as(seen)
  )

/** The frame of a typed message. */
export const framed = (kind: number, content: Uint8Array | string, length?: number) => {
  const body = typeof content === "string" ? bytes(content) : content
  const head = new Uint8Array(5)
  head[0] = kind
  new DataView(head.buffer).setUint32(1, length ?? body.length)
  return joined([head, body])
}

/** An endpoint at 10.0.0.1:1 with messages, and a bare connection to it from 10.0.0.6:6. */
export const attackedMessages = Effect.fnUntraced(function* (options?: Messages.Options) {
  const one = yield* endpoint("10.0.0.1:1")
  const messages = yield* on(one, Messages.make("notes", schemas, options))
  const connection = yield* (yield* raw("10.0.0.6:6")).dial("10.0.0.1:1")
  yield* settle
  /** Opens a stream of the protocol, and writes these bytes on it. */
  const open = (content: Uint8Array, fin = false) => openRaw(connection, joined([openReq("notes"), content]), fin)
  return { one, messages, connection, open }
})

/** What came back on a bare stream: the frame behind the acceptance of the protocol, as its kind and its text. */
export const response = (chunks: ReadonlyArray<Uint8Array>) => {
  const frame = joined(chunks).subarray(17)
  return frame.length === 0
    ? undefined
    : {
        kind: frame[0]!,
        length: new DataView(frame.buffer, frame.byteOffset).getUint32(1),
        text: Buffer.from(frame.subarray(5)).toString()
      }
}
