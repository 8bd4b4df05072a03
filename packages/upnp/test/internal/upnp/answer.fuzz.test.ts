/**
 * Anything at all in place of an HTTP answer: what is read of it does not depend on how it was cut, and is bounded.
 */
import { assert, describe, it } from "@effect/vitest"
import { AnswerReader, maxBodySize } from "../../../src/internal/upnp/answer.ts"
import { fuzz, holds, timeout } from "../../../../core/test/support/fuzz/fuzz.ts"
import { type Random, split } from "../../../../core/test/support/fuzz/random.ts"

const read = (parts: ReadonlyArray<Uint8Array>) => {
  const reader = new AnswerReader()
  for (const part of parts) reader.feed(part)
  const { hasDocument, isFramed, refused } = reader
  return { hasDocument, isFramed, refused, closed: reader.result("closed"), reset: reader.result("reset") }
}

const check = (input: Uint8Array, random: Random): string => {
  const whole = read([input])
  assert.deepStrictEqual(read(split(input, random)), whole, "in parts")
  const { closed } = whole
  if ("detail" in closed) {
    assert.isBelow(closed.detail.length, 100)
    return closed.detail
  }
  const { body, shortfall, status } = closed
  assert.isTrue(Number.isInteger(status) && status >= 200 && status <= 999 && (status < 300 || status >= 400))
  holds(body.length <= Math.min(input.length, maxBodySize), "the body is a part of what came")
  return `${status === 200 ? 200 : "another status"}, ${whole.isFramed ? "framed" : "not framed"}, ${
    whole.hasDocument ? "a document" : "no document"
  }, ${shortfall ?? "complete"}`
}

describe("fuzzing HTTP answers", () => {
  it(
    "finds that any bytes are read alike however they are cut, and no more of them than came",
    () =>
      fuzz({
        test: import.meta.url,
        format: "txt",
        tokens: [
          "HTTP/1.1 200 OK\r\n",
          "HTTP/1.1 100 Continue\r\n\r\n",
          "HTTP/1.0 302 Found\r\n",
          "Content-Length: ",
          "Transfer-Encoding: chunked\r\n",
          "\r\n\r\n",
          "\n\n",
          "\r\r\n",
          "0\r\n\r\n",
          "ffffffff\r\n",
          "1;x=y\r\n",
          "<a>",
          "</a>",
          "</",
          ">",
          "\u00a0"
        ],
        maxLength: 8_000,
        // What there is of a head, 16 KiB at most, is copied with each piece that comes.
        memory: (length) => 2 ** 21 + length * (64 + length),
        runs: 2_000,
        check
      }),
    timeout
  )
})
