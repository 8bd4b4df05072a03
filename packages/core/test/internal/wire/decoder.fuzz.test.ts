/**
 * Any bytes at all on a stream: the decoder throws nothing, holds no more than has arrived, and cares not how it was cut.
 */
import { assert, describe, it } from "@effect/vitest"
import { headerLength } from "../../../src/WireMessage.ts"
import { SerializationError } from "../../../src/SendError.ts"
import { Decoder, encode, type WireMessage } from "../../../src/WireMessage.ts"
import { fuzz, holds, timeout } from "../../support/fuzz/fuzz.ts"
import { type Random, split } from "../../support/fuzz/random.ts"

/** A header may claim up to 1 GiB, so memory that follows a claim is noticed. */
const roomy = { maxMessageSize: 2 ** 30 }

/** Messages above 64 bytes are left out, and above 4 KiB an error. */
const narrow = { maxMessageSize: 64, leaveOut: 4_096 }

interface Decoded {
  readonly messages: ReadonlyArray<WireMessage>
  readonly error: SerializationError | undefined
  readonly refused: SerializationError | undefined
  readonly end: SerializationError | undefined
}

/** Decodes parts, each of which is overwritten afterwards: no message may share its memory. */
const decode = (parts: ReadonlyArray<Uint8Array>, options: typeof roomy): Decoded => {
  const decoder = new Decoder(options)
  const messages: Array<WireMessage> = []
  let error: SerializationError | undefined
  let arrived = 0
  for (const part of parts) {
    const chunk = Uint8Array.from(part)
    const before = error
    error = decoder.push(chunk, messages)
    chunk.fill(0xaa)
    arrived += part.length
    holds(before === undefined || error === before, "an error stays")
    holds(decoder.buffered <= arrived + Math.max(arrived, 64), "little more is held than has arrived")
  }
  const end = decoder.end()
  if (error !== undefined) assert.strictEqual(end, error)
  return { messages, error, refused: decoder.refused, end }
}

const isPrefix = (whole: Uint8Array, part: Uint8Array): boolean =>
  Buffer.compare(whole.subarray(0, part.length), part) === 0

const check = (input: Uint8Array, random: Random): string => {
  const whole = decode([input], roomy)
  for (const options of [roomy, narrow]) {
    const atOnce = options === roomy ? whole : decode([input], options)
    assert.deepStrictEqual(decode(split(input, random), options), atOnce, "in parts")
    for (const error of [atOnce.error, atOnce.refused, atOnce.end]) {
      if (error === undefined) continue
      assert.instanceOf(error, SerializationError)
      assert.isBelow(error.message.length, 300)
    }
  }
  // Frames have one encoding: what was decoded is what came.
  const encoded = Buffer.concat(whole.messages.map(encode))
  assert.isTrue(isPrefix(input, encoded), "the messages are those in the input")
  const rest = input.length - encoded.length
  if (whole.end === undefined) assert.strictEqual(rest, 0, "nothing was skipped")
  else if (whole.error === undefined) assert.isAbove(rest, 0, "something is missing")
  if (whole.error !== undefined) assert.isAtLeast(rest, headerLength, "the error follows from a header at least")
  const kinds = [...new Set(whole.messages.map(({ _tag }) => _tag))].toSorted().join(", ")
  return `${whole.end?.message ?? "all of it"}; ${kinds}`
}

describe("fuzzing the decoder of frames", () => {
  it(
    "finds that any bytes decode alike however they are cut, to what encodes to them again, within their size",
    () =>
      fuzz({
        test: import.meta.url,
        format: "hex",
        tokens: [
          Uint8Array.of(0, 1, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0),
          Uint8Array.of(0, 1, 0, 0, 0, 5, 1, 0, 0, 3, 0, 0, 0),
          Uint8Array.of(0, 1, 0, 0, 0, 14, 1, 0, 0),
          Uint8Array.of(0, 1, 0, 0, 0, 26, 1, 0, 0),
          Uint8Array.of(0, 1, 0, 0, 0, 1, 0, 0, 0),
          Uint8Array.of(0, 1, 0, 0, 0, 14, 1, 0, 0, 16, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0),
          Uint8Array.of(0, 1, 0, 0, 0, 8, 1, 0, 0, 17, 0, 0, 0)
        ],
        maxLength: 2_048,
        runs: 4_000,
        check
      }),
    timeout
  )
})
