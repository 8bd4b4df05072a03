/**
 * Any datagram at all: its headers are read within it, and what is read stands there.
 */
import { assert, describe, it } from "@effect/vitest"
import { Coalesced } from "../../../src/internal/packets/coalesced.ts"
import * as header from "../../../src/internal/packets/packetHeader.ts"
import { make as makeTokens } from "../../../src/internal/packets/retryToken.ts"
import { fuzz, holds, timeout } from "../../../../core/test/support/fuzz/fuzz.ts"

const tokens = makeTokens()

const isWithin = (packet: Uint8Array, part: Uint8Array, at: number): boolean =>
  part.buffer === packet.buffer && part.byteOffset === packet.byteOffset + at && at + part.length <= packet.length

/** What the header says, read once more from the front (RFC 8999, section 5.1). */
const checkLong = (packet: Uint8Array, long: header.LongHeader): string => {
  const { dcid, end, initial, scid, token, version } = long
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength)
  assert.strictEqual(version, view.getUint32(1))
  assert.strictEqual(dcid.length, packet[5])
  assert.strictEqual(scid.length, packet[6 + dcid.length])
  assert.strictEqual(end, 7 + dcid.length + scid.length)
  assert.isAtMost(end, packet.length)
  assert.isTrue(isWithin(packet, dcid, 6))
  assert.isTrue(isWithin(packet, scid, 7 + dcid.length))
  if (version === header.version1) assert.isAtMost(Math.max(dcid.length, scid.length), 20)
  if (!initial) assert.strictEqual(token.length, 0)
  else assert.isAtMost(end + 1 + token.length, packet.length)
  assert.isUndefined(tokens.verify("192.0.2.1:1", token, dcid, 0), "nobody has been given a token")
  const versions = header.offeredVersions(packet, long)
  assert.strictEqual(versions.length, Math.floor((packet.length - end) / 4))
  // What is answered to another version goes to the ids that the packet came from.
  const answer = header.parseLongHeader(header.versionNegotiation(long, 0xff))
  assert.strictEqual(answer?.version, 0)
  assert.deepStrictEqual(answer?.dcid, scid)
  assert.deepStrictEqual(answer?.scid, dcid)
  return `${initial ? "Initial" : "long"}, version ${[0, 1].includes(version) ? version : "other"}, ${
    token.length > 0 ? "a token" : "no token"
  }`
}

/** Whether a datagram and the packet at its end are for one connection id of 20 bytes. */
const hasOneId = (datagram: Uint8Array, last: Uint8Array): boolean =>
  datagram[5] === 20 && last.length > 20 && Buffer.compare(datagram.subarray(6, 26), last.subarray(1, 21)) === 0

const checkParts = (datagram: Uint8Array): number => {
  const parts = header.splitDatagram(datagram)
  let at = 0
  for (const part of parts) {
    holds(isWithin(datagram, part, at), "packets lie one behind the other")
    holds(part.length > 0 || datagram.length === 0, "no packet is empty")
    at += part.length
  }
  assert.strictEqual(at, datagram.length, "nothing is left out")
  // Every packet but the last has a long header.
  for (const part of parts.slice(0, -1)) holds(header.isLongHeader(part), "a packet with a short header is the last")
  const coalesced = new Coalesced()
  const isStrange = parts.length > 1 && !header.isLongHeader(parts.at(-1)!) && !hasOneId(datagram, parts.at(-1)!)
  const expected = isStrange ? datagram.subarray(0, datagram.length - parts.at(-1)!.length) : datagram
  for (const apart of [false, true, false]) {
    const { handed, oneRtt } = coalesced.parts(datagram, apart)
    assert.strictEqual(Buffer.compare(Buffer.concat(handed), expected), 0)
    holds(oneRtt === undefined || (!isStrange && !header.isLongHeader(oneRtt)), "a 1-RTT packet is for the same id")
  }
  return parts.length
}

const check = (datagram: Uint8Array): string => {
  const isLong = header.isLongHeader(datagram)
  const long = header.parseLongHeader(datagram)
  const what = long === undefined ? "no long header" : checkLong(datagram, long)
  if (long !== undefined) {
    // More bytes behind it change nothing, and fewer than it has are not enough.
    assert.deepStrictEqual(header.parseLongHeader(Buffer.concat([datagram, Uint8Array.of(0xff)]))?.dcid, long.dcid)
    assert.isUndefined(header.parseLongHeader(datagram.subarray(0, long.end - 1)))
  }
  const key = header.shortHeaderKey(datagram)
  if (key !== undefined) assert.deepStrictEqual(Buffer.from(key, "latin1"), Buffer.from(datagram.subarray(1, 21)))
  const number = isLong || datagram.length < 25 ? undefined : header.packetNumberOf(datagram)
  if (number !== undefined) {
    assert.isAtMost(number.value, 256 ** number.length - 1)
    assert.isAtLeast(number.value, 0)
  }
  assert.isBoolean(header.isRetry(datagram))
  return `${what}; ${Math.min(checkParts(datagram), 4)} packets`
}

describe("fuzzing the headers of packets", () => {
  it(
    "finds that of any datagram only what lies in it is read, and no part of it is lost",
    () =>
      fuzz({
        test: import.meta.url,
        format: "hex",
        tokens: [Uint8Array.of(0xc0, 0, 0, 0, 1), Uint8Array.of(0xe0, 0, 0, 0, 1), Uint8Array.of(0x80, 0, 0, 0, 0)],
        maxLength: 2_048,
        runs: 4_000,
        check
      }),
    timeout
  )
})
