import { assert, describe, it } from "@effect/vitest"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import * as pcp from "../../../src/internal/natpmp/pcp.ts"
import * as pmp from "../../../src/internal/natpmp/pmp.ts"
import * as fake from "../../support/fakePmpGateway.ts"

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const bytes = (digits: string) => new Uint8Array(Buffer.from(digits.replace(/[\s|]/g, ""), "hex"))
const digits = (text: string) => text.replace(/[\s|]/g, "")

const ipv4 = (text: string) => {
  const address = NetAddress.ipFromStringUnsafe(text)
  assert.isTrue(NetAddress.isIpv4Address(address))
  return address as NetAddress.Ipv4Address
}
const inet = (text: string) => NetAddress.inetAddressFromStringUnsafe(text) as NetAddress.InetAddressV4

const port = fc.integer({ min: 0, max: 0xffff })
const seconds = fc.integer({ min: 0, max: 0xffff_ffff })
const nonce = fc.uint8Array({ minLength: 12, maxLength: 12 })
const ipv4Address = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(NetAddress.ipv4FromBytesUnsafe)
const anyBytes = fc.uint8Array({ maxLength: 128 })

/** Reads a packet where it does not start at the start of its buffer, as the packets of a socket do not. */
const shifted = (packet: Uint8Array): Uint8Array => {
  const larger = new Uint8Array(packet.length + 7).fill(0xee)
  larger.set(packet, 3)
  return larger.subarray(3, 3 + packet.length)
}

const gatewayAt = (epoch: number) => {
  const gateway = new fake.FakePmpGateway(() => epoch * 1_000)
  gateway.epoch = () => epoch
  return gateway
}

const replyTo = (request: Uint8Array, behaviour: fake.Behaviour, epoch: number): Uint8Array => {
  const gateway = gatewayAt(epoch)
  gateway.answer("PcpMap", behaviour)
  gateway.answer("ExternalAddress", behaviour)
  gateway.answer("PmpMap", behaviour)
  const [reply] = gateway.receive(request)
  assert.instanceOf(reply, Uint8Array)
  return reply
}

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
