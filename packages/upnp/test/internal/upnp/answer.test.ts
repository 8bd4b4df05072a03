import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { AnswerReader, maxBodySize } from "../../../src/internal/upnp/answer.ts"

const document = `<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="x"><s:Body>Größe &amp; so weiter</s:Body></s:Envelope>\r\n`
const bytes = Buffer.from(document)

const chunk = (part: Uint8Array) =>
  Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n")])

const withHead = (head: string, body: Uint8Array | string) => Buffer.concat([Buffer.from(head), Buffer.from(body)])

/** Everything that comes, in pieces that end at these places. */
const read = (whole: Uint8Array, ends: ReadonlyArray<number>, ended: "closed" | "reset" = "closed") => {
  const reader = new AnswerReader()
  let from = 0
  for (const end of [...ends.filter((each) => each < whole.length).toSorted((a, b) => a - b), whole.length]) {
    reader.feed(whole.subarray(from, end))
    from = end
  }
  return { reader, result: reader.result(ended), isFramed: reader.isFramed, hasDocument: reader.hasDocument }
}

const answers: Readonly<Record<string, Uint8Array>> = {
  "with a length": withHead(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes.length}\r\n\r\n`, bytes),
  "with a length, in lines that end in LF": withHead(`HTTP/1.1 200 OK\nContent-Length: ${bytes.length}\n\n`, bytes),
  "after an interim answer": withHead(
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\nContent-Length : ${bytes.length}\r\n\r\n`,
    bytes
  ),
  "in chunks": withHead(
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n",
    Buffer.concat([chunk(bytes.subarray(0, 50)), chunk(bytes.subarray(50)), Buffer.from("0\r\n")])
  )
}

/** Whose framing does not tell the end, or not the right one. */
const odd: Readonly<Record<string, Uint8Array>> = {
  "until it is closed": withHead("HTTP/1.0 200 OK\r\n\r\n", bytes),
  "with two lengths": withHead("HTTP/1.0 200 OK\r\nContent-Length: 3\r\nContent-Length: 9\r\n\r\n", bytes),
  "in chunks that there are not": withHead("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", bytes),
  "without the last chunk": withHead("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk(bytes)),
  "with a length that is too large": withHead(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes.length + 2}\r\n\r\n`, bytes)
}

const places = fc.array(fc.nat({ max: 400 }), { maxLength: 400 })

describe("AnswerReader", () => {
  for (const [name, whole] of Object.entries(answers)) {
    it(`reads the same from any pieces: ${name}`, () =>
      fc.assert(
        fc.property(places, (ends) => {
          const { hasDocument, isFramed, result } = read(whole, ends)
          assert.deepStrictEqual(result, { status: 200, body: document, shortfall: undefined })
          assert.deepStrictEqual([isFramed, hasDocument], [true, true])
        })
      ))
  }

  for (const [name, whole] of Object.entries(odd)) {
    it(`reads the whole document from any pieces: ${name}`, () =>
      fc.assert(
        fc.property(places, (ends) => {
          const { hasDocument, isFramed, result } = read(whole, ends)
          assert.deepInclude(result, { status: 200, body: document })
          assert.deepStrictEqual([isFramed, hasDocument], [false, true])
        })
      ))
  }

  it("takes any bytes", () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), places, fc.nat({ max: 4 }), (garbage, ends, after) => {
        const status = "HTTP/1.1 200 OK\r\n"
        const heads = ["", "HTTP/1.1 ", status, `${status}\r\n`, `${status}Transfer-Encoding: chunked\r\n\r\n`]
        const { result } = read(withHead(heads[after]!, garbage), ends)
        assert.isTrue("detail" in result || result.status >= 100)
      })
    ))

  it.effect.each([
    ["nothing, and then the connection was closed", ""],
    ["a part of a head, and then the connection was closed", "HTTP/1.1 200 OK\r\nContent-"],
    ["something that is not HTTP", "220 router ready\r\n"],
    ["something that is not HTTP", "HTTP/1.1 OK\r\n\r\n"],
    ["a head that is too large", `HTTP/1.1 200 OK\r\nX: ${"x".repeat(17_000)}`],
    ["a redirect, which is not followed", "HTTP/1.1 302 Found\r\n\r\n"],
    ["a chunk without a size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n"],
    ["a body that is too large", `HTTP/1.1 200 OK\r\n\r\n${"x".repeat(maxBodySize + 1)}`],
    [
      "a body that is too large",
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n${"x".repeat(maxBodySize + 1)}`
    ]
  ] as const)("refuses %s", ([detail, text]) =>
    Effect.sync(() => {
      assert.deepStrictEqual(read(Buffer.from(text), []).result, { detail })
    })
  )

  it.effect.each([
    ["less than the length that it states", "closed", "Content-Length: 9"],
    ["chunks without their end", "closed", "Transfer-Encoding: chunked"],
    ["a part of it, and then the connection was reset", "reset", "X: y"],
    [undefined, "closed", "X: y"]
  ] as const)("tells of %s", ([shortfall, ended, header]) =>
    Effect.sync(() => {
      const { result } = read(Buffer.from(`HTTP/1.1 500 Oops\r\n${header}\r\n\r\n2\r\nab`), [], ended)
      assert.deepInclude(result, { status: 500, shortfall })
    })
  )

  it.effect("decodes by the byte order mark, and puts a mark for bytes that are no UTF-8", () =>
    Effect.sync(() => {
      const body = (content: Uint8Array) => read(withHead("HTTP/1.0 200 OK\r\n\r\n", content), []).result
      const marked = (mark: ReadonlyArray<number>, content: Uint8Array) =>
        body(Buffer.concat([Buffer.from(mark), content]))
      assert.deepInclude(marked([0xff, 0xfe], Buffer.from("<a/>", "utf16le")), { body: "<a/>" })
      assert.deepInclude(marked([0xfe, 0xff], Buffer.from("<a/>", "utf16le").swap16()), { body: "<a/>" })
      assert.deepInclude(marked([0xef, 0xbb, 0xbf], Buffer.from("<a/>")), { body: "<a/>" })
      assert.deepInclude(body(Buffer.from("ü", "latin1")), { body: "\ufffd" })
    })
  )
})
