/**
 * What `NatPmp` makes of routers that do it wrong, in PCP and in NAT-PMP.
 */
// @module-tag slow
import { describe } from "@effect/vitest"
import type { Protocol } from "@qp2p/testkit/FakeRouter"
import * as Misbehaviour from "@qp2p/testkit/Misbehaviour"
import { cases, makeRouters, makeTable, pmp, watchProcess } from "./support/misbehavingRouters.ts"

const {
  BackwardEpoch,
  ClosedPort,
  DeafToVersion,
  ExternalAddress,
  Forgetful,
  GarbageDatagram,
  LyingLease,
  OtherSource,
  Refusal,
  ShortPorts,
  SilentPort,
  TruncatedAnswer,
  WrongNonce,
  WrongOpcode,
  WrongVersion
} = Misbehaviour

watchProcess()
const run = cases(makeTable("PCP and NAT-PMP"), pmp)

const mapped = "mapped 203.0.113.1:4433"
const timedOut = "PortMapperTimedOut router"
const protocolError = (reason: string) => `GatewayProtocolError router ${reason}`
const unreadable = protocolError("nothing that can be read")
const unsupported = (protocol: Protocol, what: string) =>
  `PortMapperUnsupported the gateway at router ${what} (${protocol})`

/** At a router that speaks this protocol only. */
const at = (protocol: Protocol) => (name: string, misbehaviour: Misbehaviour.Misbehaviour, expected: string) =>
  run(`${protocol}: ${name}`, makeRouters([{ options: { protocols: [protocol] }, told: [misbehaviour] }]), expected)

describe.concurrent("NatPmp, at a router that does nothing wrong", () => {
  for (const protocol of ["PCP", "NAT-PMP"] as const) {
    run(`nothing, ${protocol}`, makeRouters([{ options: { protocols: [protocol] }, told: [] }]), mapped)
  }
  at("NAT-PMP")("PCP is not answered, not even with a refusal", DeafToVersion({ version: 2 }), mapped)
  at("PCP")("NAT-PMP is not answered", DeafToVersion({ version: 0 }), mapped)
  at("NAT-PMP")("ports that are cut to eight bits", ShortPorts(), unreadable)
  run("nothing, UPnP only", makeRouters([{ options: { protocols: ["UPnP"] }, told: [] }]), timedOut)
})

describe.concurrent.each(["PCP", "NAT-PMP"] as const)("NatPmp, in %s", (protocol) => {
  const broken = at(protocol)
  broken("nobody listens", ClosedPort(), "GatewayUnreachable router ECONNREFUSED")
  broken("silence from the start", SilentPort({}), timedOut)
  broken("a lease of 0 s", LyingLease({ told: 0 }), protocolError("a mapping of 203.0.113.1:4433 for 0 s"))
  broken("a lease of 1 s", LyingLease({ granted: 1 }), mapped)
  broken("epoch that goes backwards", BackwardEpoch(), mapped)
  broken("a mapping that is granted and not made", Forgetful(), mapped)
  broken("not authorized", Refusal({ at: "Map", code: 2 }), "MappingNotAuthorized router")
  broken("external address private", ExternalAddress({ address: "10.0.0.7" }), "mapped 10.0.0.7:4433")
  broken(
    "external address 0.0.0.0",
    ExternalAddress({ address: "0.0.0.0" }),
    protocolError("a mapping of 0.0.0.0:4433 for 120 s")
  )
})

describe.concurrent.each([
  ["PCP", "Map"],
  ["NAT-PMP", "ExternalAddress"],
  ["NAT-PMP", "Map"]
] as const)("NatPmp, in %s, asking for %s", (protocol, question) => {
  const broken = (name: string, misbehaviour: Misbehaviour.Misbehaviour, expected: string) =>
    at(protocol)(`${question}: ${name}`, misbehaviour, expected)
  broken("silence", SilentPort({ at: question }), timedOut)
  broken("garbage", GarbageDatagram({ at: question }), unreadable)
  broken("truncated", TruncatedAnswer({ at: question, length: 7 }), unreadable)
  broken("another opcode", WrongOpcode({ at: question }), unreadable)
  broken("another version", WrongVersion({ at: question, version: 9 }), unreadable)
  broken("answers from another port", OtherSource({ at: question }), timedOut)
})

describe.concurrent("NatPmp, refused in PCP", () => {
  const refused = (name: string, code: number, expected: string) =>
    at("PCP")(name, Refusal({ at: "Map", code }), expected)
  refused("unsupported version", 1, unsupported("PCP", "speaks another version of the protocol"))
  refused("network failure", 7, protocolError("7 it has no connection to the network outside"))
  refused("out of resources", 8, protocolError("8 it has no resources for another mapping"))
  refused("unsupported protocol", 9, unsupported("PCP", "maps no UDP ports"))
  refused("over the quota", 10, protocolError("10 this host has as many mappings as it may have"))
  refused("no external port", 11, "MappingConflict router 4433")
  refused("address mismatch", 12, protocolError("12 another gateway stands between it and this host"))
  at("PCP")("another nonce", WrongNonce(), timedOut)
})

describe.concurrent("NatPmp, refused in NAT-PMP", () => {
  const refused = (name: string, question: Misbehaviour.Question, code: number, expected: string) =>
    at("NAT-PMP")(name, Refusal({ at: question, code }), expected)
  const noConnection = protocolError("3 it has no connection to the network outside")
  refused("no external address", "ExternalAddress", 3, noConnection)
  refused("network failure", "Map", 3, noConnection)
  refused("out of resources", "Map", 4, protocolError("4 it has no resources for another mapping"))
  refused("unsupported opcode", "Map", 5, unsupported("NAT-PMP", "maps no UDP ports"))
})
