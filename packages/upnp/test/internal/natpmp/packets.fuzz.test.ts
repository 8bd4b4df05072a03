/**
 * Any bytes at all as an answer in PCP or NAT-PMP: what is read stands in them, at its place.
 */
import { assert, describe, it } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as pcp from "../../../src/internal/natpmp/pcp.ts"
import * as pmp from "../../../src/internal/natpmp/pmp.ts"
import { fuzz, timeout } from "../../../../core/test/support/fuzz/fuzz.ts"

const u16 = (bytes: Uint8Array, at: number) => bytes[at]! * 256 + bytes[at + 1]!
const u32 = (bytes: Uint8Array, at: number) => u16(bytes, at) * 65_536 + u16(bytes, at + 2)

/** RFC 6886, section 3: version, opcode, result, epoch, and what the opcode has. */
const checkPmp = (bytes: Uint8Array): string => {
  const answer = pmp.decode(bytes)
  assert.strictEqual(
    pmp.refusesVersion(bytes),
    Option.exists(answer, (answer) => answer._tag === "Refused" && answer.code === 1)
  )
  if (Option.isNone(answer)) {
    assert.isFalse(pmp.answersExternalAddress(bytes))
    return "not NAT-PMP"
  }
  const { value } = answer
  assert.deepStrictEqual([bytes[0], value.epoch], [0, u32(bytes, 4)])
  if (value._tag === "Refused") {
    assert.deepStrictEqual([value.opcode, value.code], [bytes[1]! - 128, u16(bytes, 2)])
    assert.notStrictEqual(value.code, 0)
    return `refused, ${pmp.answersExternalAddress(bytes) ? "the address" : "something else"}`
  }
  assert.strictEqual(u16(bytes, 2), 0)
  assert.strictEqual(pmp.answersExternalAddress(bytes), value._tag === "ExternalAddress")
  if (value._tag === "ExternalAddress") {
    assert.isTrue(NetAddress.isIpv4Address(value.address))
    assert.deepStrictEqual([bytes[1], ...NetAddress.ipv4ToOctets(value.address)], [128, ...bytes.subarray(8, 12)])
    return "an address"
  }
  assert.deepStrictEqual(
    [bytes[1], value.internalPort, value.externalPort, value.lifetime],
    [129, u16(bytes, 8), u16(bytes, 10), u32(bytes, 12)]
  )
  return "mapped"
}

/** RFC 6887, sections 7.2 and 11.1. */
const checkPcp = (bytes: Uint8Array): string => {
  const answer = pcp.decode(bytes)
  if (Option.isNone(answer)) return "not PCP"
  const { assignment, code, epoch, lifetime } = answer.value
  assert.deepStrictEqual([code, lifetime, epoch], [bytes[3], u32(bytes, 4), u32(bytes, 8)])
  assert.strictEqual(bytes[1], 0x81)
  assert.isTrue(bytes.length % 4 === 0 && bytes.length >= 24 && bytes.length <= 1_100)
  assert.isTrue(bytes[0] === 2 || code === 1)
  if (Option.isNone(assignment)) {
    assert.notStrictEqual(code, 0, "an assignment comes with success")
    return "refused without the request"
  }
  const { externalAddress, externalPort, internalPort, nonce } = assignment.value
  assert.deepStrictEqual([...nonce], [...bytes.subarray(24, 36)])
  assert.deepStrictEqual([internalPort, externalPort], [u16(bytes, 40), u16(bytes, 42)])
  if (code === 0) assert.strictEqual(bytes[36], 17)
  if (NetAddress.isIpv4Address(externalAddress)) {
    assert.deepStrictEqual([...NetAddress.ipv4ToOctets(externalAddress)], [...bytes.subarray(56, 60)])
  } else assert.deepStrictEqual([...NetAddress.ipv6ToOctets(externalAddress)], [...bytes.subarray(44, 60)])
  // A nonce is no view of the packet, which is overwritten.
  bytes.fill(0xaa)
  assert.isTrue(nonce.buffer !== bytes.buffer)
  return `${code === 0 ? "assigned" : "refused"}, ${NetAddress.isIpv4Address(externalAddress) ? "IPv4" : "IPv6"}`
}

const check = (input: Uint8Array): string => {
  assert.isBoolean(pcp.refusesNatPmp(input))
  return `${checkPmp(input)}; ${checkPcp(input)}`
}

describe("fuzzing answers in PCP and NAT-PMP", () => {
  it(
    "finds that of any packet only what stands in it is read",
    () =>
      fuzz({
        test: import.meta.url,
        format: "hex",
        tokens: [Uint8Array.of(2, 0x81, 0, 0), Uint8Array.of(0, 128, 0, 0), Uint8Array.of(0, 129, 0, 0)],
        maxLength: 1_200,
        runs: 3_000,
        check
      }),
    timeout
  )
})
