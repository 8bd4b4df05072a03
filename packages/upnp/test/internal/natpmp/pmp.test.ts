/**
 * NAT-PMP packets, as RFC 6886 lays them out.
 */
import { assert, describe, it } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import * as pmp from "../../../src/internal/natpmp/pmp.ts"
import * as fake from "../../support/fakePmpGateway.ts"
import {
  bytes,
  digits,
  gatewayAt,
  hex,
  ipv4,
  ipv4Address,
  port,
  replyTo,
  seconds,
  shifted
} from "../../support/pmpPackets.ts"

describe("NAT-PMP requests", () => {
  it("have the layout of RFC 6886, sections 3.2 and 3.3", () => {
    assert.strictEqual(hex(pmp.externalAddressRequest()), "0000")
    assert.strictEqual(
      hex(pmp.mapRequest({ internalPort: 4433, externalPort: 5555, lifetime: 7_200 })),
      digits("00 01 0000 | 1151 15b3 | 00001c20")
    )
  })

  it("say what they were made of", () => {
    fc.assert(
      fc.property(port, port, seconds, (internalPort, externalPort, lifetime) => {
        const gateway = gatewayAt(0)
        gateway.receive(pmp.mapRequest({ internalPort, externalPort, lifetime }))
        const [request] = gateway.requests
        assert.deepInclude(request, { kind: "PmpMap", internalPort, externalPort, lifetime })
      })
    )
  })
})

describe("NAT-PMP answers", () => {
  it("are read as RFC 6886 lays them out", () => {
    assert.deepStrictEqual(Option.getOrThrow(pmp.decode(bytes("00 80 0000 | 000003e8 | cb007107"))), {
      _tag: "ExternalAddress",
      epoch: 1_000,
      address: ipv4("203.0.113.7")
    })
    assert.deepStrictEqual(Option.getOrThrow(pmp.decode(bytes("00 81 0000 | 000003e8 | 1151 15b3 | 00000e10"))), {
      _tag: "Mapped",
      epoch: 1_000,
      internalPort: 4433,
      externalPort: 5555,
      lifetime: 3_600
    })
    assert.deepStrictEqual(Option.getOrThrow(pmp.decode(bytes("00 81 0004 | 000003e8"))), {
      _tag: "Refused",
      opcode: 1,
      code: 4,
      epoch: 1_000
    })
  })

  it("give back what the gateway wrote", () => {
    fc.assert(
      fc.property(port, port, seconds, seconds, (internalPort, externalPort, lifetime, epoch) => {
        const request = pmp.mapRequest({ internalPort, externalPort, lifetime })
        const answer = pmp.decode(shifted(replyTo(request, fake.pmpReply(), epoch)))
        const expected: pmp.Answer = { _tag: "Mapped", epoch, internalPort, externalPort, lifetime }
        assert.deepStrictEqual(answer, Option.some(expected))
      })
    )
    fc.assert(
      fc.property(ipv4Address, seconds, (address, epoch) => {
        const reply = fake.addressReply({ address: NetAddress.formatIp(address) })
        const answer = pmp.decode(shifted(replyTo(pmp.externalAddressRequest(), reply, epoch)))
        assert.deepStrictEqual(answer, Option.some<pmp.Answer>({ _tag: "ExternalAddress", epoch, address }))
      })
    )
  })

  it.each([
    ["nothing", ""],
    ["7 bytes", "00 81 0000 | 000003"],
    ["another version", "01 81 0000 | 000003e8 | 1151 15b3 | 00000e10"],
    ["a request", "00 01 0000 | 1151 15b3 | 00001c20"],
    ["an address that is cut off", "00 80 0000 | 000003e8 | cb0071"],
    ["a mapping that is cut off", "00 81 0000 | 000003e8 | 1151 15b3 | 00000e"],
    ["a mapping of a TCP port", "00 82 0000 | 000003e8 | 1151 15b3 | 00000e10"]
  ])("are not %s", (_, packet) => {
    assert.isTrue(Option.isNone(pmp.decode(bytes(packet))))
  })

  it("refuse PCP with version 0 and result 1", () => {
    assert.isTrue(pmp.refusesVersion(bytes("00 81 0001 | 000003e8")))
    assert.isTrue(pmp.refusesVersion(bytes("00 80 0001 | 000003e8")))
    assert.isFalse(pmp.refusesVersion(bytes("00 81 0002 | 000003e8")))
    assert.isFalse(pmp.refusesVersion(bytes("02 81 0001 | 000003e8")))
    assert.isFalse(pmp.refusesVersion(bytes("00 81 0000 | 000003e8 | 1151 15b3 | 00000e10")))
  })
})
