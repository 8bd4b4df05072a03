/**
 * PCP packets, as RFC 6887 lays them out; and that no bytes are read as answers of both protocols.
 */
import { assert, describe, it } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import * as pcp from "../../../src/internal/natpmp/pcp.ts"
import * as pmp from "../../../src/internal/natpmp/pmp.ts"
import * as fake from "../../support/fakePmpGateway.ts"
import {
  bytes,
  digits,
  gatewayAt,
  hex,
  inet,
  ipv4,
  ipv4Address,
  nonce,
  port,
  replyTo,
  seconds,
  shifted
} from "../../support/pmpPackets.ts"

const anyBytes = fc.uint8Array({ maxLength: 128 })

describe("PCP requests", () => {
  it("have the layout of RFC 6887, sections 7.1 and 11.1", () => {
    const request = pcp.mapRequest({
      client: ipv4("192.168.1.20"),
      nonce: bytes("000102030405060708090a0b"),
      internalPort: 4433,
      external: inet("203.0.113.7:5555"),
      lifetime: 7_200
    })
    assert.strictEqual(
      hex(request),
      digits(
        "02 01 0000 | 00001c20 | 0000 0000 0000 0000 0000 ffff c0a8 0114 |" +
          "000102030405060708090a0b | 11 000000 | 1151 15b3 | 0000 0000 0000 0000 0000 ffff cb00 7107"
      )
    )
  })

  it("say what they were made of", () => {
    fc.assert(
      fc.property(
        fc.record({ client: ipv4Address, nonce, internalPort: port, external: ipv4Address, externalPort: port }),
        seconds,
        ({ client, external, externalPort, internalPort, nonce }, lifetime) => {
          const gateway = gatewayAt(0)
          const wished = inet(`${NetAddress.formatIp(external)}:${externalPort}`)
          gateway.receive(pcp.mapRequest({ client, nonce, internalPort, external: wished, lifetime }))
          const [request] = gateway.requests
          assert.deepInclude(request, {
            kind: "PcpMap",
            client: NetAddress.formatIp(client),
            nonce: hex(nonce),
            internalPort,
            externalPort,
            externalAddress: NetAddress.formatIp(external),
            lifetime
          })
        }
      )
    )
  })
})

const granted =
  "02 81 00 00 | 00000e10 | 000003e8 | 000000000000000000000000 |" +
  "000102030405060708090a0b | 11 000000 | 1151 15b3 | 0000 0000 0000 0000 0000 ffff cb00 7107"

const changed = (packet: string, ...changes: ReadonlyArray<readonly [offset: number, value: number]>): Uint8Array => {
  const result = bytes(packet)
  for (const [offset, value] of changes) result[offset] = value
  return result
}

describe("PCP answers", () => {
  const assignment = {
    nonce: bytes("000102030405060708090a0b"),
    internalPort: 4433,
    externalPort: 5555,
    externalAddress: ipv4("203.0.113.7")
  }

  it("are read as RFC 6887 lays them out", () => {
    assert.deepStrictEqual(
      pcp.decode(bytes(granted)),
      Option.some<pcp.Answer>({ code: 0, lifetime: 3_600, epoch: 1_000, assignment: Option.some(assignment) })
    )
  })

  it("may carry options, which are not read", () => {
    assert.deepStrictEqual(pcp.decode(bytes(`${granted} 02 00 0004 01020304`)), pcp.decode(bytes(granted)))
  })

  it("may be refusals without the request", () => {
    const header = bytes(granted).slice(0, 24)
    header[3] = 8
    assert.deepStrictEqual(
      pcp.decode(header),
      Option.some<pcp.Answer>({ code: 8, lifetime: 3_600, epoch: 1_000, assignment: Option.none() })
    )
  })

  it("refuse our version in their own", () => {
    const answer = pcp.decode(changed(granted, [0, 1], [3, 1]))
    assert.strictEqual(Option.getOrThrow(answer).code, pcp.results.unsupportedVersion)
  })

  it("give back what the gateway wrote", () => {
    fc.assert(
      fc.property(
        fc.record({ nonce, internalPort: port, externalPort: port, lifetime: seconds, epoch: seconds }),
        fc.oneof(ipv4Address, fc.uint8Array({ minLength: 16, maxLength: 16 }).map(NetAddress.ipv6FromBytesUnsafe)),
        ({ epoch, externalPort, internalPort, lifetime, nonce }, externalAddress) => {
          const request = pcp.mapRequest({
            client: ipv4("192.168.1.20"),
            nonce,
            internalPort,
            external: inet("0.0.0.0:1"),
            lifetime
          })
          const reply = fake.pcpReply({ externalPort, externalAddress: NetAddress.formatIp(externalAddress) })
          const answer = pcp.decode(shifted(replyTo(request, reply, epoch)))
          assert.deepStrictEqual(
            answer,
            Option.some<pcp.Answer>({
              code: 0,
              lifetime,
              epoch,
              assignment: Option.some({
                nonce,
                internalPort,
                externalPort,
                externalAddress: NetAddress.toCanonical(externalAddress)
              })
            })
          )
        }
      )
    )
  })

  it.each([
    ["20 bytes", changed(granted, [3, 8]).slice(0, 20)],
    ["a length that is no multiple of four", new Uint8Array([...bytes(granted), 0])],
    ["longer than 1,100 bytes", new Uint8Array([...bytes(granted), ...new Uint8Array(1_044)])],
    ["a grant without its end", bytes(granted).slice(0, 56)],
    ["another version", changed(granted, [0, 1])],
    ["of version 0", changed(granted, [0, 0], [3, 1])],
    ["a request", changed(granted, [1, 1])],
    ["to another opcode", changed(granted, [1, 0x82])],
    ["a mapping of a TCP port", changed(granted, [36, 6])]
  ])("are not %s", (_, packet) => {
    assert.isTrue(Option.isNone(pcp.decode(packet)))
  })
})

describe("Bytes of any kind", () => {
  it("are an answer or none", () => {
    const start = fc.constantFrom("", "00", "0080", "00800000", "0081", "00810000", "02", "0281", "02810000")
    fc.assert(
      fc.property(start, anyBytes, (start, rest) => {
        const packet = new Uint8Array([...bytes(start), ...rest])
        assert.isTrue(Option.isOption(pmp.decode(packet)))
        assert.isTrue(Option.isOption(pcp.decode(packet)))
        // No packet is an answer in both protocols.
        assert.isFalse(Option.isSome(pmp.decode(packet)) && Option.isSome(pcp.decode(packet)))
      }),
      { numRuns: 1_000 }
    )
  })
})
