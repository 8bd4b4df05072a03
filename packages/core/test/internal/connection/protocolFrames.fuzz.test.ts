/**
 * Any bytes at all at the beginning of a stream, in both directions: what they open, and what follows them, does not depend on how
 * they are cut, and is what the decoder of frames finds.
 */
import { assert, describe, it } from "@effect/vitest"
import { FirstFrame } from "../../../src/internal/connection/firstFrame.ts"
import { ProtocolAnswer } from "../../../src/internal/connection/protocolAnswer.ts"
import { StreamClosed } from "../../../src/StreamError.ts"
import type { SendStream } from "../../../src/SendStream.ts"
import { StreamLost } from "../../../src/SendError.ts"
import * as WireMessage from "../../../src/WireMessage.ts"
import { fuzz, holds, timeout } from "../../support/fuzz/fuzz.ts"
import { type Random, split } from "../../support/fuzz/random.ts"
import { joined } from "../../support/protocols.ts"

const noop = () => {}

/** What became of a stream: its reader, and the bytes that this got. */
interface Result {
  reader: string
  bytes: Uint8Array
  ends: number
}

/** What follows the first frame, as a reader gets it. */
const reading = (result: Result) => ({
  onData: (chunk: Uint8Array) => {
    result.bytes = joined([result.bytes, chunk])
    return true
  },
  onEnd: () => {
    result.ends += 1
  }
})

/** Feeds parts, each of which is overwritten afterwards, and the end. */
const feed = (
  parts: ReadonlyArray<Uint8Array>,
  events: { readonly onData: (chunk: Uint8Array) => boolean; readonly onEnd: () => void }
) => {
  for (const part of parts) {
    if (part.length === 0) continue
    const chunk = Uint8Array.from(part)
    events.onData(chunk)
    chunk.fill(0xaa)
  }
  events.onEnd()
}

/** Passes a stream of the peer to its reader. */
const opened = (parts: ReadonlyArray<Uint8Array>, readsStreams: boolean): Result => {
  const result: Result = { reader: "none", bytes: new Uint8Array(0), ends: 0 }
  const stream = new FirstFrame(
    {
      maxMessageSize: 2 ** 30,
      readsStreams,
      acceptProtocol: (protocol) => {
        result.reader = `protocol ${JSON.stringify(protocol)}`
        return reading(result)
      },
      hasRoom: () => true,
      waitForRoom: noop,
      stopWaiting: noop,
      mayReadWithoutRoom: true,
      keep: noop,
      user: (payload) => {
        result.reader = "messages"
        result.bytes = joined([result.bytes, payload])
      },
      control: () => (result.reader = "messages"),
      held: { change: () => {} },
      reassemble: () => true,
      malformed: () => (result.reader = "messages"),
      reassemblyOverflow: noop,
      sendStream: () => ({}) as SendStream,
      streamErrorOf: () => new StreamLost({ reason: new StreamClosed() }),
      hasRoomForStream: () => true,
      waitForStreamRoom: noop,
      undecided: { add: noop, remove: noop },
      offerStream: (received) => {
        result.reader = "application"
        received.setMode("Bytes")
        const chunks = () => received.takeBytes() ?? []
        result.bytes = joined(chunks())
        const { onData } = received
        Object.assign(received, {
          onData: (chunk: Uint8Array) => {
            onData(chunk)
            result.bytes = joined([result.bytes, ...chunks()])
            return true
          }
        })
      }
    },
    { resume: noop, stop: noop },
    { write: noop, onStopped: noop, setPriority: noop, reset: noop }
  )
  feed(parts, stream)
  return result
}

/** Reads the answer of a peer. */
const answered = (parts: ReadonlyArray<Uint8Array>): Result => {
  const result: Result = { reader: "accepted", bytes: new Uint8Array(0), ends: 0 }
  const answer = new ProtocolAnswer(reading(result))
  answer.owner = {
    refuse: (kind) => (result.reader = kind),
    malformed: () => (result.reader = "malformed")
  }
  feed(parts, answer)
  return result
}

const check = (input: Uint8Array, random: Random): string => {
  const parts = split(input, random)
  const decoder = new WireMessage.Decoder({ maxMessageSize: 2 ** 30 })
  const messages: Array<WireMessage.WireMessage> = []
  decoder.push(input, messages)
  const [first] = messages
  const rest = first === undefined ? input : input.subarray(WireMessage.encode(first).length)

  for (const readsStreams of [false, true]) {
    const whole = opened([input], readsStreams)
    assert.deepStrictEqual(opened(parts, readsStreams), whole, "a stream in parts")
    const isProtocol = first?._tag === "ProtocolOpenReq"
    holds(whole.reader.startsWith("protocol") === isProtocol, "a stream opens the protocol that its first frame names")
    if (isProtocol) {
      assert.strictEqual(whole.reader, `protocol ${JSON.stringify(first.protocol)}`)
      assert.deepStrictEqual(whole.bytes, Uint8Array.from(rest))
      assert.strictEqual(whole.ends, 1)
    }
    if (whole.reader === "application") assert.deepStrictEqual(whole.bytes, Uint8Array.from(input))
  }

  const whole = answered([input])
  assert.deepStrictEqual(answered(parts), whole, "an answer in parts")
  const outcome = first?._tag === "ProtocolOpenResp" ? first.outcome : undefined
  if (outcome === "Accepted") assert.deepStrictEqual(whole.bytes, Uint8Array.from(rest))
  const expected =
    outcome === undefined
      ? input.length === 0
        ? "NotServed"
        : "malformed"
      : outcome === "Accepted"
        ? "accepted"
        : outcome
  assert.strictEqual(whole.reader, expected)
  return `${whole.reader}; ${opened([input], true).reader.slice(0, 8)}; ${opened([input], false).reader.slice(0, 8)}`
}

describe("fuzzing the first frames of protocols", () => {
  it(
    "finds that any bytes open the same protocol, or none, however they are cut, and that all bytes after them arrive",
    () =>
      fuzz({
        test: import.meta.url,
        format: "hex",
        tokens: [
          Uint8Array.of(0, 1, 0, 0, 0, 14, 1, 0, 0, 16, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 97, 98),
          Uint8Array.of(0, 1, 0, 0, 1, 11, 1, 0, 0, 16, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0),
          Uint8Array.of(0, 1, 0, 0, 0, 8, 1, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0),
          Uint8Array.of(0, 1, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0)
        ],
        maxLength: 1_024,
        runs: 3_000,
        check
      }),
    timeout
  )
})
