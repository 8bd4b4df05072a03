import { describe, expect, it } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import * as fc from "fast-check"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { SerializationError } from "../src/SendError.ts"
import type { WireMessage } from "../src/WireMessage.ts"
import {
  checkPayload,
  Decoder,
  encode,
  encodeHeader,
  encodeUser,
  encodeUserInto,
  headerLength
} from "../src/WireMessage.ts"

const bytes = (digits: string) => new Uint8Array(Buffer.from(digits.replace(/[\s|]/g, ""), "hex"))
const hex = (input: Uint8Array) => Buffer.from(input).toString("hex")
const address = NetAddress.inetAddressFromStringUnsafe
const user = (...payload: Array<number>): WireMessage => ({ _tag: "UserMessage", payload: Uint8Array.from(payload) })
const concat = (parts: ReadonlyArray<Uint8Array>) => new Uint8Array(Buffer.concat(parts))

const maxMessageSize = 1024
const makeDecoder = () => new Decoder({ maxMessageSize })

/** The most that a decoder may hold when `arrived` bytes of a frame have come. */
const bound = (arrived: number) => arrived + Math.max(arrived, 64)

const decode = (input: Uint8Array, decoder = makeDecoder()) => {
  const messages: Array<WireMessage> = []
  const error = decoder.push(input, messages)
  return { decoder, messages, error }
}

const vectors: ReadonlyArray<readonly [name: string, message: WireMessage, frame: string]> = [
  ["a user message of 1 byte", user(0xff), "00 01 00 00 00 01 00 00 00 | ff"],
  ["a user message of 5 bytes", user(104, 101, 108, 108, 111), "00 01 00 00 00 05 00 00 00 | 68 65 6c 6c 6f"],
  [
    "a user message that looks like a header",
    user(0, 1, 0, 0, 0, 1, 1, 0, 0),
    "00 01 00 00 00 09 00 00 00 | 00 01 00 00 00 01 01 00 00"
  ],
  [
    "a user message of 258 bytes",
    { _tag: "UserMessage", payload: new Uint8Array(258).fill(0xab) },
    `00 01 00 00 01 02 00 00 00 | ${"ab".repeat(258)}`
  ],
  ["EndpointEchoReq", { _tag: "EndpointEchoReq" }, "00 01 00 00 00 04 01 00 00 | 00 00 00 00"],
  [
    "EndpointEchoResp with an IPv4 address",
    { _tag: "EndpointEchoResp", address: address("127.0.0.1:8080") },
    "00 01 00 00 00 0e 01 00 00 | 01 00 00 00 00 00 00 00 7f 00 00 01 90 1f"
  ],
  [
    "EndpointEchoResp with an IPv6 address",
    { _tag: "EndpointEchoResp", address: address("[2001:db8:1:2:3:4:5:fffe]:4433") },
    "00 01 00 00 00 1a 01 00 00 | 01 00 00 00 01 00 00 00 20 01 0d b8 00 01 00 02 00 03 00 04 00 05 ff fe 51 11"
  ],
  [
    "EndpointEchoResp with an IPv4 address in IPv6 form, which stays in that form",
    { _tag: "EndpointEchoResp", address: address("[::ffff:192.0.2.1]:1") },
    "00 01 00 00 00 1a 01 00 00 | 01 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00 ff ff c0 00 02 01 01 00"
  ],
  [
    "EndpointVerificationReq with the highest IPv4 address and port",
    { _tag: "EndpointVerificationReq", address: address("255.255.255.255:65535") },
    "00 01 00 00 00 0e 01 00 00 | 02 00 00 00 00 00 00 00 ff ff ff ff ff ff"
  ],
  [
    "EndpointVerificationReq with port 0",
    { _tag: "EndpointVerificationReq", address: address("10.0.0.1:0") },
    "00 01 00 00 00 0e 01 00 00 | 02 00 00 00 00 00 00 00 0a 00 00 01 00 00"
  ],
  [
    "EndpointVerificationReq with an IPv6 address",
    { _tag: "EndpointVerificationReq", address: address("[::1]:256") },
    "00 01 00 00 00 1a 01 00 00 | 02 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 00 01"
  ],
  [
    "EndpointVerificationResp, reachable",
    { _tag: "EndpointVerificationResp", reachable: true },
    "00 01 00 00 00 05 01 00 00 | 03 00 00 00 01"
  ],
  [
    "EndpointVerificationResp, not reachable",
    { _tag: "EndpointVerificationResp", reachable: false },
    "00 01 00 00 00 05 01 00 00 | 03 00 00 00 00"
  ],
  [
    "ProtocolOpenReq",
    { _tag: "ProtocolOpenReq", protocol: "chat" },
    "00 01 00 00 00 10 01 00 00 | 10 00 00 00 04 00 00 00 00 00 00 00 63 68 61 74"
  ],
  [
    "ProtocolOpenReq with the shortest name",
    { _tag: "ProtocolOpenReq", protocol: "\0" },
    "00 01 00 00 00 0d 01 00 00 | 10 00 00 00 01 00 00 00 00 00 00 00 00"
  ],
  [
    "ProtocolOpenReq with the longest name",
    { _tag: "ProtocolOpenReq", protocol: "\u00e4".repeat(127) + "a" },
    `00 01 00 00 01 0b 01 00 00 | 10 00 00 00 ff 00 00 00 00 00 00 00 ${"c3 a4".repeat(127)} 61`
  ],
  [
    "ProtocolOpenReq whose name begins with a byte order mark",
    { _tag: "ProtocolOpenReq", protocol: "\ufeff" },
    "00 01 00 00 00 0f 01 00 00 | 10 00 00 00 03 00 00 00 00 00 00 00 ef bb bf"
  ],
  [
    "ProtocolOpenResp, accepted",
    { _tag: "ProtocolOpenResp", outcome: "Accepted" },
    "00 01 00 00 00 08 01 00 00 | 11 00 00 00 00 00 00 00"
  ],
  [
    "ProtocolOpenResp, not served",
    { _tag: "ProtocolOpenResp", outcome: "NotServed" },
    "00 01 00 00 00 08 01 00 00 | 11 00 00 00 01 00 00 00"
  ],
  [
    "ProtocolOpenResp, too many streams",
    { _tag: "ProtocolOpenResp", outcome: "TooManyStreams" },
    "00 01 00 00 00 08 01 00 00 | 11 00 00 00 02 00 00 00"
  ]
]

const rejected: ReadonlyArray<readonly [name: string, input: string, reason: string]> = [
  ["version 0", "00 00 00 00 00 01 00 00 00", "the version must be 1, got 0"],
  ["version 2", "00 02 00 00 00 01 00 00 00", "the version must be 1, got 2"],
  ["a version in the wrong byte order", "01 00 00 00 00 01 00 00 00", "the version must be 1, got 256"],
  ["flag 2", "00 01 00 00 00 01 02 00 00", "the flag must be 0 or 1, got 2"],
  ["the first reserved byte", "00 01 00 00 00 01 00 01 00", "the reserved bytes must be 0, got 256"],
  ["the second reserved byte", "00 01 00 00 00 04 01 00 80", "the reserved bytes must be 0, got 128"],
  ["an empty user message", "00 01 00 00 00 00 00 00 00", "the length must be at least 1, got 0"],
  ["an empty control message", "00 01 00 00 00 00 01 00 00", "the length must be at least 1, got 0"],
  [
    "a user message over the maximum, before any of it",
    "00 01 00 00 04 01 00 00 00",
    "a message of 1025 bytes is larger than the maximum of 1024"
  ],
  [
    "the longest length that a header can claim",
    "00 01 ff ff ff ff 00 00 00",
    "a message of 4294967295 bytes is larger than the maximum of 1024"
  ],
  [
    "a control message over the maximum, before any of it",
    "00 01 00 00 01 0c 01 00 00",
    "a control message takes 4 to 267 bytes, got 268"
  ],
  [
    "a control message under the minimum, before any of it",
    "00 01 00 00 00 03 01 00 00",
    "a control message takes 4 to 267 bytes, got 3"
  ],
  [
    "an unknown variant",
    "00 01 00 00 00 04 01 00 00 | 04 00 00 00",
    "the variant of a control message must be 0 to 3, 16 or 17, got 4"
  ],
  [
    "a variant in the wrong byte order",
    "00 01 00 00 00 05 01 00 00 | 00 00 00 03 01",
    "the variant of a control message must be 0 to 3, 16 or 17, got 50331648"
  ],
  [
    "a variant with its highest bit set",
    "00 01 00 00 00 04 01 00 00 | 00 00 00 80",
    "the variant of a control message must be 0 to 3, 16 or 17, got 2147483648"
  ],
  [
    "ProtocolOpenReq without a name",
    "00 01 00 00 00 0c 01 00 00 | 10 00 00 00 00 00 00 00 00 00 00 00",
    "ProtocolOpenReq takes at least 13 bytes, got 12"
  ],
  [
    "ProtocolOpenReq with a name that is shorter than its length",
    "00 01 00 00 00 0e 01 00 00 | 10 00 00 00 03 00 00 00 00 00 00 00 61 62",
    "the name of ProtocolOpenReq must have the length 2, got another one"
  ],
  [
    "ProtocolOpenReq with something behind its name",
    "00 01 00 00 00 0e 01 00 00 | 10 00 00 00 01 00 00 00 00 00 00 00 61 62",
    "the name of ProtocolOpenReq must have the length 2, got another one"
  ],
  [
    "ProtocolOpenReq with a length of more than 32 bits",
    "00 01 00 00 00 0e 01 00 00 | 10 00 00 00 02 00 00 00 01 00 00 00 61 62",
    "the name of ProtocolOpenReq must have the length 2, got another one"
  ],
  [
    "ProtocolOpenReq with a name that is not UTF-8",
    "00 01 00 00 00 0e 01 00 00 | 10 00 00 00 02 00 00 00 00 00 00 00 c3 28",
    "the name of ProtocolOpenReq must be UTF-8"
  ],
  [
    "ProtocolOpenReq with the UTF-8 of a lone surrogate",
    "00 01 00 00 00 0f 01 00 00 | 10 00 00 00 03 00 00 00 00 00 00 00 ed a0 80",
    "the name of ProtocolOpenReq must be UTF-8"
  ],
  [
    "ProtocolOpenResp without an outcome",
    "00 01 00 00 00 04 01 00 00 | 11 00 00 00",
    "ProtocolOpenResp takes 8 bytes, got 4"
  ],
  [
    "ProtocolOpenResp with an unknown outcome",
    "00 01 00 00 00 08 01 00 00 | 11 00 00 00 03 00 00 00",
    "the outcome of ProtocolOpenResp must be 0 to 2, got 3"
  ],
  [
    "EndpointEchoReq with something behind it",
    "00 01 00 00 00 05 01 00 00 | 00 00 00 00 00",
    "EndpointEchoReq takes 4 bytes, got 5"
  ],
  [
    "EndpointEchoResp without an address",
    "00 01 00 00 00 04 01 00 00 | 01 00 00 00",
    "EndpointEchoResp takes 14 bytes, got 4"
  ],
  [
    "an unknown kind of address",
    "00 01 00 00 00 0e 01 00 00 | 01 00 00 00 02 00 00 00 7f 00 00 01 90 1f",
    "the kind of an address must be 0 or 1, got 2"
  ],
  [
    "an IPv4 address with something behind it",
    "00 01 00 00 00 0f 01 00 00 | 02 00 00 00 00 00 00 00 7f 00 00 01 90 1f 00",
    "EndpointVerificationReq with an IPv4 address takes 14 bytes, got 15"
  ],
  [
    "an IPv6 address cut short",
    "00 01 00 00 00 0e 01 00 00 | 01 00 00 00 01 00 00 00 20 01 0d b8 00 01",
    "EndpointEchoResp with an IPv6 address takes 26 bytes, got 14"
  ],
  [
    "EndpointVerificationResp without a boolean",
    "00 01 00 00 00 04 01 00 00 | 03 00 00 00",
    "EndpointVerificationResp takes 5 bytes, got 4"
  ],
  [
    "EndpointVerificationResp with something behind it",
    "00 01 00 00 00 06 01 00 00 | 03 00 00 00 01 00",
    "EndpointVerificationResp takes 5 bytes, got 6"
  ],
  [
    "a boolean of 2",
    "00 01 00 00 00 05 01 00 00 | 03 00 00 00 02",
    "the boolean of EndpointVerificationResp must be 0 or 1, got 2"
  ]
]

const anyPort = fc.integer({ min: 0, max: 0xffff })
const anyAddress = fc.oneof(
  fc
    .tuple(fc.uint8Array({ minLength: 4, maxLength: 4 }), anyPort)
    .map(([octets, port]) => NetAddress.inetAddressUnsafe(NetAddress.ipv4FromBytesUnsafe(octets), port)),
  fc
    .tuple(fc.uint8Array({ minLength: 16, maxLength: 16 }), anyPort)
    .map(([octets, port]) => NetAddress.inetAddressUnsafe(NetAddress.ipv6FromBytesUnsafe(octets), port))
)
const anyMessage: fc.Arbitrary<WireMessage> = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 300 }).map((payload) => ({ _tag: "UserMessage" as const, payload })),
  fc.constant({ _tag: "EndpointEchoReq" as const }),
  anyAddress.map((seen) => ({ _tag: "EndpointEchoResp" as const, address: seen })),
  anyAddress.map((claimed) => ({ _tag: "EndpointVerificationReq" as const, address: claimed })),
  fc.boolean().map((reachable) => ({ _tag: "EndpointVerificationResp" as const, reachable }))
)
const anyMessages = fc.array(anyMessage, { maxLength: 6 })

/** Lengths that a stream is cut into, taken round and round. */
const anyCuts = fc.oneof(
  fc.constant([1]),
  fc.constant([Infinity]),
  fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 20 }).map((cuts) => cuts.concat(1)),
  fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 })
)

const split = (stream: Uint8Array, cuts: ReadonlyArray<number>) => {
  const chunks: Array<Uint8Array> = []
  for (let at = 0, i = 0; at < stream.length; i++) {
    const next = Math.min(stream.length, at + cuts[i % cuts.length]!)
    chunks.push(stream.subarray(at, next))
    at = next
  }
  return chunks
}

const encodeAll = (messages: ReadonlyArray<WireMessage>) => concat(messages.map(encode))

/**
 * Runs `chunks` through a fresh decoder and checks what must hold whatever they are. There is one way to write each
 * message, so `understood` (what was decoded, written again) must be how the input begins.
 */
const decodeAnything = (chunks: ReadonlyArray<Uint8Array>) => {
  const decoder = makeDecoder()
  const messages: Array<WireMessage> = []
  const errors = new Set<SerializationError>()
  let arrived = 0
  for (const chunk of chunks) {
    const error = decoder.push(chunk, messages)
    if (error !== undefined) errors.add(error)
    arrived += chunk.length
    const underWay = error === undefined ? arrived - encodeAll(messages).length : 0
    expect(decoder.buffered).toBeLessThanOrEqual(underWay === 0 ? 0 : bound(underWay))
  }
  const error = decoder.end()
  if (error !== undefined) errors.add(error)
  expect(errors.size).toBe(error === undefined ? 0 : 1)
  expect(decoder.buffered).toBe(0)
  const input = concat(chunks)
  const understood = encodeAll(messages)
  expect(hex(understood)).toBe(hex(input.subarray(0, understood.length)))
  return { messages, error, complete: understood.length === input.length }
}

/** Bytes in use after a collection, on the heap and outside of it. */
const memoryInUse = () => {
  setFlagsFromString("--expose-gc")
  const collect = runInNewContext("gc") as () => void
  collect()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return arrayBuffers + heapUsed
}

describe("WireMessage", () => {
  describe("encode", () => {
    it.each(vectors)("%s", (_, message, frame) => {
      expect(hex(encode(message))).toBe(hex(bytes(frame)))
    })

    it("a scope identifier is not sent", () => {
      const frame = encode({ _tag: "EndpointEchoResp", address: address("[fe80::1%7]:80") })
      expect(decode(frame).messages).toStrictEqual([{ _tag: "EndpointEchoResp", address: address("[fe80::1]:80") }])
    })

    it("a header alone is that of the whole frame", () => {
      expect(hex(encodeHeader(0x12345678, 0))).toBe("000112345678000000")
      expect(hex(encodeHeader(0xfedcba98, 1))).toBe("0001fedcba98010000")
    })

    it("a user frame shares no memory with its payload or with other frames", () => {
      const payload = Uint8Array.of(1, 2, 3)
      const first = encodeUser(payload)
      payload.fill(9)
      const second = encodeUser(payload)
      expect(hex(first)).toBe("000100000003000000010203")
      expect(hex(second)).toBe("000100000003000000090909")
    })

    it("a user frame among others leaves them as they are, and tells where the next one begins", () => {
      const frames = new Uint8Array(30).fill(0xee)
      const payload = new Uint8Array(258).fill(0xab)
      expect(encodeUserInto(Uint8Array.of(1, 2), frames, 1)).toBe(12)
      expect(encodeUserInto(Uint8Array.of(3), frames, 12)).toBe(22)
      expect(hex(frames)).toBe(
        hex(bytes("ee | 00010000000200 0000 0102 | 00010000000100 0000 03 | ee ee ee ee ee ee ee ee"))
      )
      const exact = new Uint8Array(headerLength + payload.length)
      expect(encodeUserInto(payload, exact, 0)).toBe(exact.length)
      expect(hex(exact)).toBe(hex(encodeUser(payload)))
    })

    it("checkPayload wants 1 byte to the maximum", () => {
      expect(checkPayload(new Uint8Array(0), 10)).toStrictEqual(
        new SerializationError({ detail: "a message must have at least 1 byte" })
      )
      expect(checkPayload(new Uint8Array(1), 10)).toBeUndefined()
      expect(checkPayload(new Uint8Array(10), 10)).toBeUndefined()
      expect(checkPayload(new Uint8Array(11), 10)).toStrictEqual(
        new SerializationError({ detail: "a message of 11 bytes is larger than the maximum of 10" })
      )
      const longest = 2 ** 32 - 1
      // So long in what it says only: that is all that is looked at.
      const ofLength = (length: number) => Object.defineProperty(new Uint8Array(0), "length", { value: length })
      expect(checkPayload(ofLength(longest), Infinity)).toBeUndefined()
      expect(checkPayload(ofLength(longest + 1), Infinity)).toStrictEqual(
        new SerializationError({ detail: "a message of 4294967296 bytes is larger than the maximum of 4294967295" })
      )
    })
  })

  describe("Decoder", () => {
    it.each(vectors)("%s", (_, message, frame) => {
      const { decoder, error, messages } = decode(bytes(frame))
      expect(error).toBeUndefined()
      expect(messages).toStrictEqual([message])
      expect(decoder.buffered).toBe(0)
      expect(decoder.end()).toBeUndefined()
    })

    it("several frames in one chunk, in order", () => {
      const { decoder, error, messages } = decode(bytes(vectors.map(([, , frame]) => frame).join("")))
      expect(error).toBeUndefined()
      expect(messages).toStrictEqual(vectors.map(([, message]) => message))
      expect(decoder.end()).toBeUndefined()
    })

    it("a user message of exactly the maximum", () => {
      const payload = new Uint8Array(maxMessageSize).fill(7)
      const { error, messages } = decode(encodeUser(payload))
      expect(error).toBeUndefined()
      expect(messages).toStrictEqual([{ _tag: "UserMessage", payload }])
    })

    it.each(rejected)("rejects %s", (_, input, detail) => {
      const { decoder, error, messages } = decode(bytes(input))
      expect(error).toStrictEqual(new SerializationError({ detail }))
      expect(messages).toStrictEqual([])
      expect(decoder.buffered).toBe(0)
    })

    it.each(rejected)("rejects %s, byte by byte, at the last one", (_, input, detail) => {
      const decoder = makeDecoder()
      const messages: Array<WireMessage> = []
      const errors = split(bytes(input), [1]).map((chunk) => decoder.push(chunk, messages))
      expect(errors.pop()).toStrictEqual(new SerializationError({ detail }))
      expect(errors.filter((error) => error !== undefined)).toStrictEqual([])
      expect(messages).toStrictEqual([])
    })

    it.each([
      ["a header", "00 01 00 00 00 01 07 00 00"],
      ["a body", "00 01 00 00 00 04 01 00 00 | 09 00 00 00"]
    ])("appends what came before an error in %s, and nothing after it", (_, bad) => {
      const decoder = makeDecoder()
      const messages: Array<WireMessage> = [user(1)]
      const good = encode(user(2))
      const error = decoder.push(concat([good, bytes(bad), good]), messages)
      expect(error).toBeInstanceOf(SerializationError)
      expect(decoder.push(good, messages)).toBe(error)
      expect(decoder.push(new Uint8Array(0), messages)).toBe(error)
      expect(decoder.end()).toBe(error)
      expect(messages).toStrictEqual([user(1), user(2)])
    })

    it("a stream that ended within a frame stays ended", () => {
      const decoder = makeDecoder()
      const messages: Array<WireMessage> = []
      const frame = encode(user(1, 2, 3))
      decoder.push(frame.subarray(0, 11), messages)
      const error = decoder.end()
      expect(error).toStrictEqual(
        new SerializationError({ detail: "the stream ended after 2 of the 3 bytes of a message" })
      )
      expect(decoder.push(frame.subarray(11), messages)).toBe(error)
      expect(messages).toStrictEqual([])
    })

    it("any messages, however the stream is cut", () => {
      fc.assert(
        fc.property(anyMessages, anyCuts, (messages, cuts) => {
          const result = decodeAnything(split(encodeAll(messages), cuts))
          expect(result.error).toBeUndefined()
          expect(result.messages).toStrictEqual(messages)
        }),
        { numRuns: 300 }
      )
    })

    it("any messages, when each chunk is overwritten after the call", () => {
      fc.assert(
        fc.property(anyMessages, anyCuts, fc.boolean(), (messages, cuts, asBuffer) => {
          const decoder = makeDecoder()
          const decoded: Array<WireMessage> = []
          for (const chunk of split(encodeAll(messages), cuts)) {
            const lent = asBuffer ? Buffer.from(chunk) : Uint8Array.from(chunk)
            expect(decoder.push(lent, decoded)).toBeUndefined()
            lent.fill(0xee)
          }
          expect(decoded).toStrictEqual(messages)
        }),
        { numRuns: 300 }
      )
    })

    it("an end is accepted between frames only", () => {
      const frames = vectors.map(([, , frame]) => bytes(frame))
      const stream = concat(frames)
      for (let cut = 0, whole = 0, boundary = 0; cut <= stream.length; cut++) {
        if (cut - boundary === frames[whole]!.length) boundary += frames[whole++]!.length
        const { decoder, error, messages } = decode(stream.subarray(0, cut))
        expect(error).toBeUndefined()
        expect(messages.length).toBe(whole)
        const part = cut - boundary
        const detail =
          part < headerLength
            ? `the stream ended after ${part} of the 9 bytes of a header`
            : `the stream ended after ${part - headerLength} of the ${frames[whole]!.length - headerLength} bytes of a message`
        expect(decoder.end()).toStrictEqual(part === 0 ? undefined : new SerializationError({ detail }))
        expect(decoder.buffered).toBe(0)
      }
    })

    it("any garbage", () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), anyCuts, (garbage, cuts) => {
          const { complete, error } = decodeAnything(split(garbage, cuts))
          expect(error === undefined).toBe(complete)
        }),
        { numRuns: 300 }
      )
    })

    it("any garbage in control frames", () => {
      const tail = fc.uint8Array({ maxLength: 20, max: 2 })
      const anyBody = fc.oneof(
        fc.tuple(fc.integer({ min: 0, max: 4 }), tail).map(([variant, rest]) => [variant, 0, 0, 0, ...rest]),
        fc
          .tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 0, max: 2 }), tail)
          .map(([variant, kind, rest]) => [variant, 0, 0, 0, kind, 0, 0, 0, ...rest])
      )
      fc.assert(
        fc.property(fc.array(anyBody, { minLength: 1, maxLength: 3 }), anyCuts, (bodies, cuts) => {
          const frames = bodies.flatMap((body) => [encodeHeader(body.length, 1), Uint8Array.from(body)])
          const { complete, error } = decodeAnything(split(concat(frames), cuts))
          expect(error === undefined).toBe(complete)
        }),
        { numRuns: 1000 }
      )
    })

    it("any stream with a few bytes changed", () => {
      const anyChange = fc.tuple(fc.nat(), fc.oneof(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 255 })))
      const anyChanges = fc.array(anyChange, { minLength: 1, maxLength: 3 })
      fc.assert(
        fc.property(anyMessages, anyChanges, anyCuts, (messages, changes, cuts) => {
          const stream = encodeAll(messages)
          for (const [at, value] of changes) if (stream.length > 0) stream[at % stream.length] = value
          const { complete, error } = decodeAnything(split(stream, cuts))
          expect(error === undefined).toBe(complete)
        }),
        { numRuns: 1000 }
      )
    })

    describe("that leaves out what is too large", () => {
      const largest = 100
      const leaveOut = 300
      const makeDecoder = () => new Decoder({ maxMessageSize: largest, leaveOut })
      const isLeftOut = (message: WireMessage) => message._tag === "UserMessage" && message.payload.length > largest
      const ofLength = (length: number) => user(...Array.from({ length }, (_, i) => (length + i) % 251))
      const refusal = (length: number) =>
        new SerializationError({ detail: `a message of ${length} bytes is larger than the maximum of ${largest}` })

      it("any messages, however the stream is cut", () => {
        fc.assert(
          fc.property(anyMessages, anyCuts, (messages, cuts) => {
            const decoder = makeDecoder()
            const decoded: Array<WireMessage> = []
            for (const chunk of split(encodeAll(messages), cuts)) {
              const lent = Uint8Array.from(chunk)
              expect(decoder.push(lent, decoded)).toBeUndefined()
              lent.fill(0xee)
              // Nothing is held of what is left out.
              expect(decoder.buffered).toBeLessThanOrEqual(bound(headerLength + largest))
            }
            expect(decoder.end()).toBeUndefined()
            expect(decoded).toStrictEqual(messages.filter((message) => !isLeftOut(message)))
            const first = messages.find(isLeftOut)
            const length = first?._tag === "UserMessage" ? first.payload.length : 0
            expect(decoder.refused).toStrictEqual(first === undefined ? undefined : refusal(length))
            expect(decoder.hasOnlyRefused).toBe(messages.length > 0 && decoded.length === 0)
          }),
          { numRuns: 300 }
        )
      })

      it("tells why when the header has come, and whether there has been anything else", () => {
        const decoder = makeDecoder()
        const messages: Array<WireMessage> = []
        const told: Array<readonly [refused: boolean, only: boolean]> = []
        const push = (chunk: Uint8Array) => {
          expect(decoder.push(chunk, messages)).toBeUndefined()
          told.push([decoder.refused !== undefined, decoder.hasOnlyRefused])
        }
        const frame = encode(ofLength(leaveOut))
        const next = encode(ofLength(2))
        push(frame.subarray(0, headerLength - 1))
        push(frame.subarray(headerLength - 1, headerLength))
        push(frame.subarray(headerLength))
        push(encode(ofLength(largest + 1)))
        // Something else begins.
        push(next.subarray(0, 3))
        push(next.subarray(3, headerLength + 1))
        push(next.subarray(headerLength + 1))
        push(encode(ofLength(largest + 2)))
        expect(told).toStrictEqual([
          [false, false],
          [true, true],
          [true, true],
          [true, true],
          [true, false],
          [true, false],
          [true, false],
          [true, false]
        ])
        expect(decoder.refused).toStrictEqual(refusal(leaveOut))
        expect(messages).toStrictEqual([ofLength(2)])
      })

      it("still takes the largest that there may be, and fails for what is larger than that", () => {
        const { decoder, error, messages } = decode(
          concat([largest, leaveOut, leaveOut + 1].map((length) => encode(ofLength(length)))),
          makeDecoder()
        )
        expect(messages).toStrictEqual([ofLength(largest)])
        expect(error).toStrictEqual(refusal(leaveOut + 1))
        expect(decoder.end()).toBe(error)
        expect(decode(encode(ofLength(leaveOut + 1)), makeDecoder()).decoder.refused).toBeUndefined()
      })

      it("fails for control messages of any wrong length", () => {
        const { error } = decode(concat([encodeHeader(300, 1), new Uint8Array(300)]), makeDecoder())
        expect(error).toStrictEqual(
          new SerializationError({ detail: "a control message takes 4 to 267 bytes, got 300" })
        )
      })

      it.each([headerLength, headerLength + 1, headerLength + 199])(
        "fails when the stream ends within one, after %i bytes",
        (cut) => {
          const { decoder, error } = decode(encode(ofLength(200)).subarray(0, cut), makeDecoder())
          expect(error).toBeUndefined()
          const ended = decoder.end()
          expect(ended).toStrictEqual(
            new SerializationError({ detail: "the stream ended within a message that is too large" })
          )
          expect(decoder.push(encode(user(1)), [])).toBe(ended)
        }
      )
    })

    it.each([1, 64, 65, 1350, 65_536, 100_000, 300_000])("a message of 300,000 bytes in chunks of %i", (size) => {
      const payload = new Uint8Array(300_000)
      for (let i = 0; i < payload.length; i++) payload[i] = (i * 31 + (i >>> 8)) & 0xff
      const decoder = new Decoder({ maxMessageSize: payload.length })
      const messages: Array<WireMessage> = []
      let excess = 0
      let arrived = 0
      for (const chunk of split(concat([encodeUser(payload), encode(user(1))]), [size])) {
        expect(decoder.push(chunk, messages) === undefined).toBe(true)
        arrived += chunk.length
        excess = Math.max(excess, decoder.buffered - bound(arrived))
      }
      expect(excess).toBeLessThanOrEqual(0)
      expect(messages.length).toBe(2)
      const [first, second] = messages
      expect(first?._tag === "UserMessage" && Buffer.compare(first.payload, payload)).toBe(0)
      expect(second).toStrictEqual(user(1))
      expect(decoder.end()).toBeUndefined()
    })

    it("reserves nothing for what a header claims", () => {
      const claimed = 64 * 1024 * 1024
      const start = concat([encodeHeader(claimed, 0), new Uint8Array(10)])
      const before = memoryInUse()
      const decoders = Array.from({ length: 32 }, () => new Decoder({ maxMessageSize: claimed }))
      for (const decoder of decoders) expect(decode(start, decoder).error).toBeUndefined()
      const grown = memoryInUse() - before
      for (const decoder of decoders) expect(decoder.buffered).toBeLessThanOrEqual(bound(start.length))
      expect(grown).toBeLessThan(claimed)
    })

    it("small chunks cost little more than their bytes", () => {
      const size = 512 * 1024
      const decoder = new Decoder({ maxMessageSize: 2 * size })
      const messages: Array<WireMessage> = []
      const before = memoryInUse()
      decoder.push(encodeHeader(2 * size, 0), messages)
      const chunk = new Uint8Array(1)
      for (let i = 0; i < size; i++) decoder.push(chunk, messages)
      const grown = memoryInUse() - before
      // A buffer for each byte would take a hundred times as much.
      expect(grown).toBeLessThan(8 * size)
      expect(decoder.buffered).toBeGreaterThanOrEqual(size)
      expect(decoder.end()).toBeInstanceOf(SerializationError)
    })
  })
})
