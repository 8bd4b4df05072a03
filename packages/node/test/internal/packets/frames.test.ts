import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { type FrameVisitor, isPadding, walk } from "../../../src/internal/packets/frames.ts"
import { decrypted } from "../../support/frames.ts"

/** Variable-length integers (RFC 9000, section 16), in the shortest form or with more bytes. */
const varint = (value: number, atLeast = 1): ReadonlyArray<number> => {
  const size = Math.max(atLeast, value < 2 ** 6 ? 1 : value < 2 ** 14 ? 2 : value < 2 ** 30 ? 4 : 8)
  const bytes = Array.from({ length: size }, (_, i) => Number((BigInt(value) >> BigInt(8 * (size - 1 - i))) & 0xffn))
  bytes[0]! |= { 1: 0x00, 2: 0x40, 4: 0x80, 8: 0xc0 }[size]!
  return bytes
}

/** A frame: its bytes, and what the visitor is to hear of it. */
interface Frame {
  readonly bytes: ReadonlyArray<number>
  readonly heard: ReadonlyArray<string | number | boolean> | undefined
}

const hears = (packet: Uint8Array, wantsAckRanges = false) => {
  const heard: Array<ReadonlyArray<string | number | boolean>> = []
  const visitor: FrameVisitor = {
    wantsAckRanges,
    onAckRange: (smallest, largest) => heard.push(["range", smallest, largest]),
    onAck: (smallest, largest) => heard.push(["ack", smallest, largest]),
    onStop: (id, code) => heard.push(["stop", id, code]),
    onStream: (id, offset, length, fin) => heard.push(["stream", id, offset, length, fin]),
    onMaxStreamData: (id) => heard.push(["window", id]),
    onCrypto: (offset, length) => heard.push(["crypto", offset, length]),
    onHandshakeDone: () => heard.push(["done"]),
    onNewConnectionId: (sequence, bytes, at, length) =>
      heard.push(["id", sequence, ...bytes.subarray(at, at + length + 16)]),
    onControl: (type) => heard.push(["control", type]),
    onDatagram: (length) => heard.push(["datagram", length])
  }
  return { frames: walk(packet, visitor), heard }
}

const number = fc.oneof(
  fc.nat({ max: 63 }),
  fc.nat({ max: 2 ** 14 - 1 }),
  fc.nat({ max: 2 ** 30 - 1 }),
  fc.maxSafeNat()
)
const size = fc.constantFrom(1, 2, 4, 8)
const data = fc.array(fc.nat({ max: 255 }), { maxLength: 60 })

const heardByNumbers = (type: number, values: ReadonlyArray<number>): Frame["heard"] => {
  if (type === 0x05) return ["stop", ...values]
  if (type === 0x1e) return ["done"]
  if (type === 0x11) return ["window", values[0]!]
  return type === 0x19 ? ["control", type] : undefined
}

const numbers = (type: number, count: number): fc.Arbitrary<Frame> =>
  fc.tuple(size, fc.array(number, { minLength: count, maxLength: count })).map(([atLeast, values]) => ({
    bytes: [...varint(type, atLeast), ...values.flatMap((value) => varint(value, atLeast))],
    heard: heardByNumbers(type, values)
  }))

const ack = fc
  .record({
    largest: number,
    first: fc.nat({ max: 63 }),
    ranges: fc.array(fc.tuple(number, number), { maxLength: 20 }),
    ecn: fc.boolean()
  })
  .map(({ ecn, first, largest, ranges }): Frame => ({
    bytes: [
      ecn ? 3 : 2,
      ...varint(largest),
      ...varint(7),
      ...varint(ranges.length),
      ...varint(first),
      ...ranges.flatMap(([gap, length]) => [...varint(gap), ...varint(length)]),
      ...(ecn ? [1, 2, 3] : [])
    ],
    heard: ["ack", largest - first, largest]
  }))

const stream = fc
  .record({ id: number, offset: number, data, fin: fc.boolean(), atLeast: size })
  .map(({ atLeast, data: bytes, fin, id, offset }): Frame => {
    const type = 0x0a | (fin ? 1 : 0) | (offset > 0 ? 4 : 0)
    const at = offset > 0 ? varint(offset, atLeast) : []
    return {
      bytes: [...varint(type, atLeast), ...varint(id), ...at, ...varint(bytes.length, atLeast), ...bytes],
      heard: ["stream", id, offset, bytes.length, fin]
    }
  })

const withData = (type: number, offset: boolean, kind: (offset: number, length: number) => Frame["heard"]) =>
  fc.tuple(number, data).map(([at, bytes]): Frame => ({
    bytes: [type, ...(offset ? varint(at) : []), ...varint(bytes.length), ...bytes],
    heard: kind(at, bytes.length)
  }))

const newId = fc.tuple(number, number, fc.nat({ max: 20 })).map(([sequence, retire, length]): Frame => {
  const rest = Array.from({ length: length + 16 }, (_, i) => i + 1)
  return { bytes: [0x18, ...varint(sequence), ...varint(retire), length, ...rest], heard: ["id", sequence, ...rest] }
})

const path = fc.constantFrom(0x1a, 0x1b).map((type): Frame => ({
  bytes: [type, 8, 7, 6, 5, 4, 3, 2, 1],
  heard: ["control", type]
}))

/** Every type of RFC 9000 and RFC 9221 that a 1-RTT packet may have, but those that end the packet or the connection. */
const frame = fc.oneof(
  ack,
  stream,
  newId,
  path,
  withData(0x06, true, (offset, length) => ["crypto", offset, length]),
  withData(0x07, false, () => ["control", 0x07]),
  withData(0x31, false, (_, length) => ["datagram", length]),
  ...(
    [
      [0x01, 0],
      [0x04, 3],
      [0x05, 2],
      [0x10, 1],
      [0x11, 2],
      [0x12, 1],
      [0x13, 1],
      [0x14, 1],
      [0x15, 2],
      [0x16, 1],
      [0x17, 1],
      [0x19, 1],
      [0x1e, 0]
    ] as const
  ).map(([type, count]) => numbers(type, count)),
  fc.integer({ min: 1, max: 80 }).map((length): Frame => ({
    bytes: Array.from({ length }, () => 0),
    heard: undefined
  }))
)

const frames = fc.array(frame, { minLength: 1, maxLength: 12 })
const bytesOf = (all: ReadonlyArray<Frame>) => all.flatMap(({ bytes }) => bytes)
const heardOf = (all: ReadonlyArray<Frame>) => all.flatMap(({ heard }) => (heard === undefined ? [] : [heard]))

describe("the frames of a packet", () => {
  it("end with it, also with a type of two bytes whose second one is in the tag", () => {
    assert.deepStrictEqual(hears(decrypted([0x01, 0x40], { tag: 0 })), { frames: 1, heard: [] })
  })

  it("have the older ranges of their acknowledgements visited first, and nothing else changes, when those are wanted", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: 200 }), fc.nat({ max: 200 })), { minLength: 1, maxLength: 20 }),
        fc.boolean(),
        frame,
        (ranges, ecn, other) => {
          // From the newest to the oldest, each a length and the gap to the next: what RFC 9000, section 19.3.1 encodes.
          const expected: Array<readonly [number, number]> = []
          let next = 20_000
          for (const [gap, length] of ranges) {
            expected.push([next - length, next])
            next -= length + gap + 2
          }
          const [newest, ...older] = expected as [readonly [number, number], ...Array<readonly [number, number]>]
          const fields = older.flatMap(([, largest], i) => {
            const [smallest] = expected[i]!
            return [...varint(smallest - largest - 2), ...varint(largest - older[i]![0])]
          })
          const bytes = [
            ecn ? 3 : 2,
            ...varint(newest[1]),
            ...varint(7),
            ...varint(older.length),
            ...varint(newest[1] - newest[0]),
            ...fields,
            ...(ecn ? [1, 2, 3] : []),
            ...other.bytes
          ]
          const without = hears(decrypted(bytes))
          const { frames, heard } = hears(decrypted(bytes), true)
          assert.strictEqual(frames, without.frames)
          assert.deepStrictEqual(
            heard.slice(0, older.length),
            older.map((range) => ["range", ...range])
          )
          assert.deepStrictEqual(
            heard.filter(([kind]) => kind !== "range"),
            without.heard
          )
        }
      )
    )
  })

  it("are all visited in their order, with numbers of every length, whatever the length of the packet number", () => {
    fc.assert(
      fc.property(frames, fc.integer({ min: 1, max: 4 }), (all, numberLength) => {
        assert.deepStrictEqual(hears(decrypted(bytesOf(all), { numberLength })).heard, heardOf(all))
      }),
      { numRuns: 2_000 }
    )
  })

  it("are visited up to the one that is cut, wherever it is cut, and nothing is read from the tag", () => {
    fc.assert(
      fc.property(frames, fc.nat({ max: 20 }), (all, cut) => {
        const bytes = bytesOf(all)
        const left = Math.max(0, bytes.length - cut)
        let whole = 0
        const heard: Array<unknown> = []
        for (const it of all) {
          whole += it.bytes.length
          if (whole > left) break
          if (it.heard !== undefined) heard.push(it.heard)
        }
        assert.deepStrictEqual(hears(decrypted(bytes.slice(0, left))).heard, heard)
      }),
      { numRuns: 2_000 }
    )
  })

  it("never make the walk fail or go on for ever, whatever the bytes are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        assert.isAtMost(hears(bytes).frames, 200)
        isPadding(bytes)
      }),
      { numRuns: 5_000 }
    )
  })

  it("end with a STREAM or DATAGRAM frame without a length, and with one that closes or is unknown", () => {
    assert.deepStrictEqual(hears(decrypted([0x0c, 6, 0x40, 100, 5, 6, 42])).heard, [["stream", 6, 100, 3, false]])
    assert.deepStrictEqual(hears(decrypted([0x09, 6])).heard, [["stream", 6, 0, 0, true]])
    assert.deepStrictEqual(hears(decrypted([0x30, 5, 6, 42])).heard, [["datagram", 3]])
    assert.deepStrictEqual(hears(decrypted([0x30])).heard, [["datagram", 0]])
    for (const type of [0x1c, 0x1d, 0x1f, 0x2a]) {
      assert.deepStrictEqual(hears(decrypted([type, 5, 6, 42, 5, 6, 42])).heard, [])
    }
  })

  it("are not hidden by a type with more bytes than it needs", () => {
    assert.deepStrictEqual(hears(decrypted([0x40, 0x06, 9, 1, 0xff])).heard, [["crypto", 9, 1]])
    assert.deepStrictEqual(hears(decrypted([0x80, 0, 0, 0x05, 6, 42])).heard, [["stop", 6, 42]])
  })

  it("are counted, a run of padding as one", () => {
    assert.strictEqual(hears(decrypted([1, 1, 1])).frames, 3)
    assert.strictEqual(hears(decrypted([1, ...Array.from({ length: 1_000 }, () => 0), 1])).frames, 3)
    assert.strictEqual(hears(decrypted([])).frames, 0)
  })
})

describe("padding", () => {
  it("is told from every packet with a frame in it, wherever the frame is", () => {
    const zeros = Array.from({ length: 70 }, () => 0)
    assert.isTrue(isPadding(decrypted(zeros)))
    assert.isTrue(isPadding(decrypted(zeros, { numberLength: 4 })))
    assert.isTrue(isPadding(decrypted([])))
    for (let i = 0; i < zeros.length; i++) {
      assert.isFalse(isPadding(decrypted([...zeros.slice(0, i), 1, ...zeros.slice(i + 1)])), `${i}`)
    }
  })
})
