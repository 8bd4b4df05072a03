/**
 * Any bytes at all on a stream of RPC: the frames in them do not depend on how they are cut, and what is in a frame is a message or
 * nothing, whatever the serialization.
 */
import { assert, describe, it } from "@effect/vitest"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import { encode, headerLength } from "../../../src/internal/wire/frame.ts"
import { type Frame, FrameDecoder } from "../../../src/internal/wire/frameDecoder.ts"
import * as messages from "../../../src/internal/wire/messages.ts"
import { fuzz, holds, timeout } from "../../../../core/test/support/fuzz/fuzz.ts"
import { type Random, split } from "../../../../core/test/support/fuzz/random.ts"

const maxContent = 300

const serializations = [RpcSerialization.ndjson, RpcSerialization.json, RpcSerialization.ndJsonRpc()]

const read = (parts: ReadonlyArray<Uint8Array>) => {
  const decoder = new FrameDecoder(maxContent)
  const frames: Array<Frame> = []
  const isWhole = parts.every((part) => decoder.push(part, frames))
  return { frames, isWhole, buffered: isWhole ? decoder.buffered : 0 }
}

/** What a frame's content is to each serialization. */
const kindsOf = (content: Uint8Array): string =>
  serializations
    .map((serialization) => {
      const request = messages.request(serialization.makeUnsafe(), content)
      const response = messages.response(serialization.makeUnsafe(), content)
      if (request !== undefined) {
        assert.isString(request.tag)
        for (const [name, value] of request.headers) assert.isString(name + value)
        return "request"
      }
      return response === undefined ? "nothing" : response._tag
    })
    .join(" ")

const check = (input: Uint8Array, random: Random): string => {
  const whole = read([input])
  assert.deepStrictEqual(read(split(input, random)), whole, "in parts")
  const { buffered, frames, isWhole } = whole
  let size = 0
  for (const { call, content, kind } of frames) {
    holds(content.length <= maxContent, "no frame is too long")
    const again = encode(kind, call, content)
    assert.deepStrictEqual(Uint8Array.from(again), Uint8Array.from(input.subarray(size, size + again.length)))
    size += headerLength + content.length
  }
  if (isWhole) assert.strictEqual(size + buffered, input.length)
  const kinds = frames.slice(0, 3).map(({ content, kind }) => `${kind}: ${kindsOf(content)}`)
  return `${isWhole ? "whole" : "too long"}, ${Math.min(frames.length, 3)} frames, ${kinds.join(", ")}`
}

describe("fuzzing frames of RPC", () => {
  it(
    "finds that any bytes have the same frames however they are cut, and that a frame has a message or nothing",
    () =>
      fuzz({
        test: import.meta.url,
        format: "hex",
        tokens: [
          '{"_tag":"Request","id":"1","tag":"Echo","payload":null,"headers":[]}\n',
          '{"_tag":"Exit","requestId":"1","exit":{"_tag":"Success","value":1}}\n',
          '{"jsonrpc":"2.0","method":"Echo","id":1}\n',
          '"headers":[["a","b"]]',
          "[",
          "]",
          "{",
          "}",
          "\n",
          Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0, 0),
          Uint8Array.of(0, 0, 0, 2, 0, 0, 0, 0, 7)
        ],
        maxLength: 2_000,
        // Each byte may come alone, and up to a frame of them is copied when the buffer doubles.
        memory: (length) => 2 ** 22 + length * 4_096,
        runs: 2_000,
        check
      }),
    timeout
  )
})
