import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { type Findings, kindOf, VerdictName } from "../../src/doctor/Report.ts"
import { verdictOf } from "../../src/doctor/Verdict.ts"
import { address, answered, failed, home, ip, mapped, outcomes, refused, silent, spoken } from "../support/findings.ts"

interface Case {
  readonly name: VerdictName
  readonly when: string
  readonly findings: Partial<Findings>
  /** What the words must contain. */
  readonly says?: RegExp
  readonly at?: string
}

const at = outcomes("1.2.3.1:4433")
const atMapping = outcomes("1.2.3.1:50000")
const seen = "1.2.3.1:61000"
const inside = outcomes("192.168.1.5:4433")
const v6 = outcomes("[2a00::5]:4433")

const withIpv6: Partial<Findings> = {
  listen: address("[::]:4433"),
  interfaces: [{ name: "eth0", address: ip("2a00::5"), kind: "Public" }],
  outbound: Option.some(ip("2a00::5")),
  mapping: { _tag: "Skipped", detail: "over IPv6 no port is mapped" }
}

const onPublicHost: Partial<Findings> = {
  interfaces: [{ name: "eth0", address: ip("1.2.3.1"), kind: "Public" }],
  outbound: Option.some(ip("1.2.3.1"))
}

const offline: Partial<Findings> = {
  interfaces: [{ name: "lo", address: ip("127.0.0.1"), kind: "Loopback" }],
  outbound: Option.none(),
  gateway: Option.none()
}

const cases: ReadonlyArray<Case> = [
  {
    name: "Reachable",
    when: "a contact gets through without a mapping",
    findings: { contacts: [answered(seen, at.reached)] },
    says: /without a mapping.*port 4433/u,
    at: "1.2.3.1:4433"
  },
  {
    name: "Reachable",
    when: "it gets through both ways, and others do not",
    findings: {
      mapping: mapped("1.2.3.1:50000"),
      contacts: [silent, answered(seen, at.notReached), answered(seen, at.reached, atMapping.reached)]
    },
    at: "1.2.3.1:4433"
  },
  {
    name: "Reachable",
    when: "over IPv6",
    findings: { ...withIpv6, contacts: [answered("[2a00::5]:61000", v6.reached)] },
    at: "[2a00::5]:4433"
  },
  {
    name: "ReachableThroughMapping",
    when: "a contact gets through to the mapped port",
    findings: {
      mapping: mapped("1.2.3.1:50000"),
      contacts: [answered(seen, at.notReached, atMapping.reached)]
    },
    says: /--forward-port/u,
    at: "1.2.3.1:50000"
  },
  {
    name: "ReachableThroughMapping",
    when: "a contact next door, who gets through anyway, does not count",
    findings: {
      mapping: mapped("1.2.3.1:50000"),
      contacts: [answered("192.168.1.5:61000", inside.reached), answered(seen, at.notReached, atMapping.reached)]
    },
    at: "1.2.3.1:50000"
  },
  {
    name: "ReachableInThisNetwork",
    when: "the only contact is next door",
    findings: { contacts: [silent, answered("192.168.1.5:61000", inside.reached)] },
    says: /on the Internet.*--contact/u,
    at: "192.168.1.5:4433"
  },
  {
    name: "ReachableInThisNetwork",
    when: "the only contact is in the network around the router",
    findings: {
      mapping: mapped("10.0.0.9:50000"),
      contacts: [answered("10.0.0.9:61000", outcomes("10.0.0.9:4433").notReached, outcomes("10.0.0.9:50000").reached)]
    },
    at: "10.0.0.9:50000"
  },
  {
    name: "Mapped",
    when: "no peer can try the port",
    findings: { mapping: mapped("1.2.3.1:50000") },
    says: /No peer has tried it yet/u,
    at: "1.2.3.1:50000"
  },
  {
    name: "CarrierGradeNat",
    when: "the router's address is a shared one, and the contact does not get through",
    findings: {
      mapping: mapped("100.64.7.7:50000"),
      contacts: [answered(seen, at.notReached, outcomes("100.64.7.7:50000").notReached)]
    },
    says: /100\.64\.7\.7.*No port can be forwarded/u
  },
  {
    name: "CarrierGradeNat",
    when: "there is no peer to ask",
    findings: { protocols: [spoken("100.127.0.1")], mapping: refused("MappingNotAuthorized") },
    says: /100\.127\.0\.1/u
  },
  {
    name: "CarrierGradeNat",
    when: "no contact answers, which is not the worst",
    findings: { mapping: mapped("100.64.7.7:50000"), contacts: [silent] }
  },
  {
    name: "CarrierGradeNat",
    when: "the machine itself has a shared address and no router",
    findings: { outbound: Option.some(ip("100.64.7.7")), contacts: [answered(seen, at.notReached)] },
    says: /this machine's address is 100\.64\.7\.7/u
  },
  {
    name: "DoubleNat",
    when: "the router's address is private, and the contact does not get through",
    findings: {
      mapping: mapped("10.0.0.9:50000"),
      contacts: [answered(seen, at.notReached, outcomes("10.0.0.9:50000").notReached)]
    },
    says: /10\.0\.0\.9, and 1\.2\.3\.1 outside.*outer router/u
  },
  {
    name: "DoubleNat",
    when: "there is no peer to ask",
    findings: { mapping: mapped("192.168.100.2:50000") },
    says: /192\.168\.100\.2\n/u
  },
  {
    name: "DoubleNat",
    when: "the contact sees another public address than the router's",
    findings: {
      mapping: mapped("9.9.9.9:50000"),
      contacts: [answered(seen, at.notReached, outcomes("9.9.9.9:50000").notReached)]
    },
    says: /9\.9\.9\.9, and 1\.2\.3\.1 outside.*VPN/u
  },
  {
    name: "MappingRefused",
    when: "the router refuses, and the contact does not get through",
    findings: {
      protocols: [failed("GatewayNotFound", "PCP"), spoken("1.2.3.1")],
      mapping: refused("MappingNotAuthorized"),
      contacts: [answered(seen, at.notReached)]
    },
    says: /it was MappingNotAuthorized.*Switch on UPnP/u
  },
  {
    name: "MappingRefused",
    when: "there is no peer to ask",
    findings: { protocols: [failed("MappingNotAuthorized", "PCP", "192.168.1.1:5351")], mapping: refused("NoneMapped") }
  },
  {
    name: "MappingRefused",
    when: "only the trial got an answer out of the router",
    findings: { mapping: refused("MappingConflict") }
  },
  {
    name: "NoPortMapping",
    when: "the router answers nothing, and the contact does not get through",
    findings: {
      protocols: [
        failed("PortMapperTimedOut", "PCP"),
        failed("PortMapperTimedOut", "NAT-PMP"),
        failed("GatewayNotFound")
      ],
      contacts: [answered(seen, at.notReached)]
    },
    says: /by hand.*--external-port/u
  },
  {
    name: "NoPortMapping",
    when: "there is no peer to ask",
    findings: { protocols: [failed("GatewayUnreachable")], mapping: refused("NoneMapped") }
  },
  {
    name: "NoPortMapping",
    when: "what answers at our port is another machine",
    findings: { contacts: [answered(seen, at.elsewhere)] }
  },
  {
    name: "Filtered",
    when: "the router maps a port and nothing arrives",
    findings: {
      mapping: mapped("1.2.3.1:50000"),
      contacts: [answered(seen, at.notReached, atMapping.notReached)]
    },
    says: /maps a port at 1\.2\.3\.1:50000.*firewall/u
  },
  {
    name: "Filtered",
    when: "the machine has the address that the contact sees",
    findings: { ...onPublicHost, contacts: [answered(seen, at.notReached)] },
    says: /1\.2\.3\.1 yourself.*firewall/u
  },
  {
    name: "Filtered",
    when: "over IPv6, for every answer of the router about IPv4",
    findings: {
      ...withIpv6,
      protocols: [spoken("100.64.7.7")],
      contacts: [answered("[2a00::5]:61000", v6.notReached)]
    },
    says: /IPv6 firewall of the router/u
  },
  {
    name: "Filtered",
    when: "a contact next door does not get through",
    findings: { contacts: [answered("192.168.1.5:61000", inside.notReached)] },
    says: /192\.168\.1\.5 yourself/u
  },
  {
    name: "UdpBlocked",
    when: "the contact does not answer",
    findings: { contacts: [silent] },
    says: /^the contact does not answer/u
  },
  {
    name: "UdpBlocked",
    when: "none of them answers, and the router maps a port",
    findings: { mapping: mapped("1.2.3.1:50000"), contacts: [silent, silent] },
    says: /^none of the 2 contacts/u
  },
  {
    name: "UdpBlocked",
    when: "a contact on this machine does not answer",
    findings: {
      listen: address("127.0.0.1:4433"),
      mapping: { _tag: "Skipped", detail: "for a loopback address no port is mapped" },
      contacts: [silent]
    }
  },
  {
    name: "NoGateway",
    when: "there is no way out",
    findings: offline,
    says: /Internet over IPv4/u
  },
  {
    name: "NoGateway",
    when: "no peer answers either",
    findings: { ...offline, contacts: [silent] }
  },
  {
    name: "NoGateway",
    when: "there is no way out over IPv6, and a router for IPv4",
    findings: { ...withIpv6, interfaces: home.interfaces, outbound: Option.none() },
    says: /Internet over IPv6/u
  },
  {
    name: "Unknown",
    when: "the machine has a public address and no peer to ask",
    findings: onPublicHost,
    says: /firewall.*--contact/u
  },
  {
    name: "Unknown",
    when: "over IPv6 without anybody to ask",
    findings: { ...withIpv6, interfaces: home.interfaces },
    says: /over IPv6 no port is mapped/u
  },
  {
    name: "Unknown",
    when: "only this machine could be meant",
    findings: { ...offline, listen: address("127.0.0.1:4433") },
    says: /only this machine itself can reach 127\.0\.0\.1.*--listen/u
  },
  {
    name: "Unknown",
    when: "the router maps a port at an address that belongs to no host",
    findings: { mapping: mapped("203.0.113.1:50000") },
    says: /203\.0\.113\.1:50000, which belongs to no host.*offline/u
  },
  {
    name: "Unknown",
    when: "the contact does not say whether it gets through",
    findings: {
      mapping: mapped("1.2.3.1:50000"),
      contacts: [answered(seen, at.notReached, atMapping.noAnswer)]
    },
    says: /does not say/u
  }
]

const exitCodes: Record<VerdictName, number> = {
  Reachable: 0,
  ReachableThroughMapping: 0,
  ReachableInThisNetwork: 0,
  Mapped: 0,
  CarrierGradeNat: 1,
  DoubleNat: 1,
  MappingRefused: 1,
  NoPortMapping: 1,
  Filtered: 1,
  UdpBlocked: 1,
  NoGateway: 1,
  Unknown: 3
}

describe("verdictOf", () => {
  it.each(cases)("$name: $when", (expected) => {
    const verdict = verdictOf({ ...home, ...expected.findings })
    assert.strictEqual(verdict.name, expected.name)
    assert.strictEqual(verdict.exitCode, exitCodes[expected.name])
    assert.strictEqual(Option.getOrUndefined(Option.map(verdict.address, String)), expected.at)
    assert.match(`${verdict.summary}\n${verdict.advice}`, new RegExp(expected.says ?? /./u, "su"))
  })

  it("has a case for every verdict", () => {
    assert.deepStrictEqual(
      VerdictName.literals.filter((name) => !cases.some((each) => each.name === name)),
      []
    )
  })
})

describe("kindOf", () => {
  it.each([
    ["127.1.2.3", "Loopback"],
    ["::1", "Loopback"],
    ["169.254.1.1", "LinkLocal"],
    ["fe80::1", "LinkLocal"],
    ["10.0.0.1", "Private"],
    ["fd00::1", "Private"],
    ["100.64.0.1", "Shared"],
    ["8.8.8.8", "Public"],
    ["2a00:1450::1", "Public"],
    ["3fff:ffff::1", "Public"],
    ["2001:db8::1", "Special"],
    ["ff02::1", "Special"],
    ["::", "Special"],
    ["4000::1", "Special"],
    ["203.0.113.7", "Special"],
    ["::ffff:192.168.1.1", "Private"]
  ] as const)("%s is %s", (input, expected) => {
    assert.strictEqual(kindOf(ip(input)), expected)
  })
})
