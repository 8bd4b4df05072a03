import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as packetHeader from "../../../src/internal/packets/packetHeader.ts"

const bytes = (digits: string) => new Uint8Array(Buffer.from(digits.replace(/[\s|]/g, ""), "hex"))
const hex = (input: Uint8Array) => Buffer.from(input).toString("hex")

const id = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength })

/** RFC 9000, section 16, with at least as many bytes as the value needs. */
const varint = (value: number): Uint8Array =>
  value < 64 ? Uint8Array.of(value) : Uint8Array.of(0x40 | (value >>> 8), value & 0xff)

const long = (
  first: number,
  version: number,
  dcid: Uint8Array,
  scid: Uint8Array,
  ...rest: ReadonlyArray<Uint8Array>
): Uint8Array => {
  const start = Buffer.alloc(5)
  start[0] = first
  start.writeUInt32BE(version, 1)
  return new Uint8Array(
    Buffer.concat([start, Uint8Array.of(dcid.length), dcid, Uint8Array.of(scid.length), scid, ...rest])
  )
}

describe("isLongHeader", () => {
  it("asks for the first bit only", () => {
    assert.isTrue(packetHeader.isLongHeader(Uint8Array.of(0x80)))
    assert.isTrue(packetHeader.isLongHeader(Uint8Array.of(0xff)))
    assert.isFalse(packetHeader.isLongHeader(Uint8Array.of(0x7f)))
    assert.isFalse(packetHeader.isLongHeader(new Uint8Array(0)))
  })
})

describe("packetNumberOf", () => {
  const packet = (first: number) => Uint8Array.from({ length: 30 }, (_, i) => (i === 0 ? first : i))

  it("is the 1 to 4 bytes after the id, as the first byte says", () => {
    assert.deepStrictEqual(
      [0x40, 0x41, 0x42, 0x43].map((first) => packetHeader.packetNumberOf(packet(first))),
      [
        { value: 0x15, length: 1 },
        { value: 0x1516, length: 2 },
        { value: 0x151617, length: 3 },
        { value: 0x15161718, length: 4 }
      ]
    )
  })

  it("is not told by a long header", () => {
    assert.isUndefined(packetHeader.packetNumberOf(packet(0xc0)))
  })
})

describe("shortHeaderKey", () => {
  it("is the 20 bytes after the first, and the same as the key of that id", () => {
    const packet = Uint8Array.from({ length: 30 }, (_, i) => i + 0x40)
    assert.strictEqual(packetHeader.shortHeaderKey(packet), packetHeader.idKey(packet.slice(1, 21), 0, 20))
    assert.strictEqual(packetHeader.shortHeaderKey(packet)!.length, 20)
  })

  it("there is none in a packet that is too short for an id", () => {
    assert.isUndefined(packetHeader.shortHeaderKey(new Uint8Array(20)))
    assert.isDefined(packetHeader.shortHeaderKey(new Uint8Array(21)))
  })

  it("heeds where a packet lies in its buffer", () => {
    const packet = Uint8Array.from({ length: 40 }, (_, i) => i)
    assert.strictEqual(packetHeader.shortHeaderKey(packet.subarray(7)), packetHeader.shortHeaderKey(packet.slice(7)))
  })
})

describe("idKey", () => {
  it("differs for different ids, bytes above 127 included", () => {
    fc.assert(
      fc.property(id(0, 20), id(0, 20), (a, b) => {
        const same = packetHeader.idKey(a, 0, a.length) === packetHeader.idKey(b, 0, b.length)
        assert.strictEqual(same, hex(a) === hex(b))
      })
    )
  })
})

describe("parseLongHeader", () => {
  it("reads the client Initial of RFC 9001, appendix A.2", () => {
    // The header only; its packet number is still protected, as it is on the wire.
    const packet = bytes("c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11")
    const header = packetHeader.parseLongHeader(packet)!
    assert.strictEqual(header.version, 1)
    assert.isTrue(header.initial)
    assert.strictEqual(hex(header.dcid), "8394c8f03e515708")
    assert.strictEqual(header.scid.length, 0)
    assert.strictEqual(header.token.length, 0)
  })

  it("tells Initial packets of version 1 from every other type and version", () => {
    const some = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
    const initial = (first: number, version = 1) =>
      packetHeader.parseLongHeader(long(first, version, some, some, Uint8Array.of(0)))!.initial
    for (const first of [0xc0, 0xc3, 0xcf, 0x80]) assert.isTrue(initial(first))
    for (const first of [0xd0, 0xe0, 0xf0]) assert.isFalse(initial(first))
    for (const version of [0, 2, 0x6b3343cf, 0xffffffff]) assert.isFalse(initial(0xc0, version))
  })

  it("reads back ids and token of every length", () => {
    fc.assert(
      fc.property(id(0, 20), id(0, 20), id(0, 300), id(0, 50), (dcid, scid, token, rest) => {
        const packet = long(0xc1, 1, dcid, scid, varint(token.length), token, rest)
        const header = packetHeader.parseLongHeader(packet)
        if (packet.length < 7) return
        assert.deepStrictEqual([hex(header!.dcid), hex(header!.scid), hex(header!.token)], [dcid, scid, token].map(hex))
      })
    )
  })

  it("reads a version above 2^31 as it is", () => {
    const header = packetHeader.parseLongHeader(long(0xc0, 0xfaceb00c, new Uint8Array(8), new Uint8Array(8)))!
    assert.strictEqual(header.version, 0xfaceb00c)
  })

  it("takes ids of up to 255 bytes in other versions, and of up to 20 in version 1", () => {
    const parse = (version: number, dcid: number, scid: number) =>
      packetHeader.parseLongHeader(long(0xc0, version, new Uint8Array(dcid), new Uint8Array(scid), Uint8Array.of(0)))
    assert.strictEqual(parse(2, 255, 255)!.scid.length, 255)
    assert.strictEqual(parse(1, 20, 20)!.scid.length, 20)
    assert.isUndefined(parse(1, 21, 20))
    assert.isUndefined(parse(1, 20, 21))
  })

  it("reads no header from a packet that is cut anywhere before the end of its token", () => {
    const packet = long(0xc0, 1, new Uint8Array(8).fill(1), new Uint8Array(9).fill(2), varint(100), new Uint8Array(100))
    for (let length = 0; length < packet.length; length++) {
      assert.isUndefined(packetHeader.parseLongHeader(packet.subarray(0, length)), `${length} bytes`)
    }
    assert.isDefined(packetHeader.parseLongHeader(packet))
  })

  it("refuses a token length of eight bytes: no datagram holds such a token", () => {
    const rest = bytes("c0000000 00000000")
    assert.isUndefined(packetHeader.parseLongHeader(long(0xc0, 1, new Uint8Array(8), new Uint8Array(8), rest)))
  })

  it("neither throws nor reads beyond the packet, for any content", () => {
    fc.assert(
      fc.property(id(0, 120), fc.integer({ min: 0, max: 20 }), (input, lead) => {
        const buffer = new Uint8Array(lead + input.length + 50).fill(0xee)
        buffer.set(input, lead)
        const packet = buffer.subarray(lead, lead + input.length)
        packet[0] = (packet[0] ?? 0) | 0x80
        if (packet.length > 4 && packet[5]! % 2 === 0) packet.set([0, 0, 0, 1], 1)
        const header = packetHeader.parseLongHeader(packet)
        if (header === undefined) return
        for (const part of [header.dcid, header.scid, header.token]) {
          assert.isAtMost(part.byteOffset + part.length, packet.byteOffset + packet.length)
        }
        assert.isAtMost(header.end, packet.length)
      }),
      { numRuns: 2_000 }
    )
  })
})

describe("version negotiation", () => {
  it("echoes the ids swapped, has version 0 and offers version 1 only (RFC 9000, section 17.2.1)", () => {
    fc.assert(
      fc.property(id(0, 255), id(0, 255), fc.integer({ min: 0, max: 255 }), (dcid, scid, random) => {
        const asked = packetHeader.parseLongHeader(long(0xc0, 0x1a2a3a4a, dcid, scid))!
        const packet = packetHeader.versionNegotiation(asked, random)
        assert.isTrue(packetHeader.isLongHeader(packet))
        const header = packetHeader.parseLongHeader(packet)!
        assert.strictEqual(header.version, 0)
        assert.strictEqual(hex(header.dcid), hex(scid))
        assert.strictEqual(hex(header.scid), hex(dcid))
        assert.deepStrictEqual(packetHeader.offeredVersions(packet, header), [1])
      })
    )
  })

  it("puts the random bits into the first byte, all but the form bit", () => {
    const asked = packetHeader.parseLongHeader(long(0xc0, 2, new Uint8Array(8), new Uint8Array(8)))!
    assert.strictEqual(packetHeader.versionNegotiation(asked, 0)[0], 0x80)
    assert.strictEqual(packetHeader.versionNegotiation(asked, 0xff)[0], 0xff)
  })

  it("is read whole, a last incomplete version aside", () => {
    const list = bytes("00000001 ff00001d 6b3343cf 0000")
    const packet = long(0x80, 0, new Uint8Array(4), new Uint8Array(5), list)
    const header = packetHeader.parseLongHeader(packet)!
    assert.deepStrictEqual(packetHeader.offeredVersions(packet, header), [1, 0xff00001d, 0x6b3343cf])
  })

  it("is read from where it lies in its buffer", () => {
    const packet = long(0x80, 0, new Uint8Array(4), new Uint8Array(5), bytes("6b3343cf"))
    const buffer = new Uint8Array(packet.length + 10)
    buffer.set(packet, 3)
    const view = buffer.subarray(3, 3 + packet.length)
    assert.deepStrictEqual(packetHeader.offeredVersions(view, packetHeader.parseLongHeader(view)!), [0x6b3343cf])
  })
})

describe("splitDatagram", () => {
  const dcid = bytes("0102030405060708")
  const scid = bytes("1112")
  const payload = (length: number, fill: number) => new Uint8Array(length).fill(fill)
  const initial = (length: number) =>
    long(0xc0, 1, dcid, scid, varint(3), bytes("aabbcc"), varint(length), payload(length, 1))
  const handshake = (length: number) => long(0xe0, 1, dcid, scid, varint(length), payload(length, 2))
  const short = Uint8Array.of(0x40, ...payload(30, 3))

  it("finds each packet of a handshake's datagram, the last with all bytes that are left", () => {
    const packets = [initial(200), handshake(100), short]
    const found = packetHeader.splitDatagram(new Uint8Array(Buffer.concat(packets)))
    assert.deepStrictEqual(found.map(hex), packets.map(hex))
  })

  it("leaves alone what is one packet, or what it cannot take apart", () => {
    const cut = initial(200).subarray(0, 100)
    const cutBeforeItsLength = long(0xc0, 1, dcid, scid, varint(3), bytes("aabbcc"))
    const retry = long(0xf0, 1, dcid, scid, bytes("aabbcc"))
    const other = long(0xc0, 2, dcid, scid, payload(40, 0))
    for (const datagram of [initial(200), short, cut, cutBeforeItsLength, retry, other, new Uint8Array(0)]) {
      assert.deepStrictEqual(packetHeader.splitDatagram(datagram).map(hex), [hex(datagram)])
    }
  })

  it("never throws and loses nothing, for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (noise, lead) => {
        const datagram = lead ? new Uint8Array(Buffer.concat([initial(20), noise])) : noise
        const found = packetHeader.splitDatagram(datagram)
        assert.strictEqual(hex(new Uint8Array(Buffer.concat(found))), hex(datagram))
      })
    )
  })

  it("finds the same last packet as endsInShortHeader, which reads no byte behind the datagram", () => {
    const ends = (datagram: Uint8Array) => packetHeader.endsInShortHeader(datagram, datagram.length)
    assert.isTrue(ends(short))
    assert.isTrue(ends(new Uint8Array(Buffer.concat([initial(200), handshake(100), short]))))
    assert.isFalse(ends(new Uint8Array(Buffer.concat([initial(200), handshake(100)]))))
    assert.isFalse(ends(new Uint8Array(Buffer.concat([initial(200), new Uint8Array(50)]))))
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 100 }),
        fc.uint8Array({ maxLength: 60 }),
        fc.boolean(),
        (noise, old, lead) => {
          const datagram = lead ? new Uint8Array(Buffer.concat([initial(20), handshake(9), noise])) : noise
          const last = packetHeader.splitDatagram(datagram).at(-1)!
          const buffer = new Uint8Array(Buffer.concat([datagram, old]))
          assert.strictEqual(packetHeader.endsInShortHeader(buffer, datagram.length), (last[0]! & 0xc0) === 0x40)
        }
      )
    )
  })
})
