/**
 * Findings of `qp2p doctor`, in short.
 */
import type { PortMapperError } from "@qp2p/core/PortMapperError"
import * as PeerAddress from "@qp2p/core/PeerAddress"
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { type Contact, type DialBack, type Findings, kindOf, type Mapping } from "../../src/doctor/Report.ts"

export const address = NetAddress.inetAddressFromStringUnsafe
export const peer = (text: string) => Result.getOrThrow(PeerAddress.fromString(text))

/** The keys of the machine that is examined, and of the contact. */
export const identity = TestIdentity.make("patient")
export const contactIdentity = TestIdentity.make("contact")
export const contactId = contactIdentity.peerId

export const ip = NetAddress.ipFromStringUnsafe

/** A machine in a home network, with a router that maps nothing and nobody to ask. */
export const home: Findings = {
  listen: address("0.0.0.0:4433"),
  interfaces: ["127.0.0.1", "192.168.1.5", "fe80::5"].map((own, i) => ({
    name: i === 0 ? "lo" : "eth0",
    address: ip(own),
    kind: kindOf(ip(own))
  })),
  outbound: Option.some(ip("192.168.1.5")),
  gateway: Option.some(ip("192.168.1.1")),
  protocols: [],
  mapping: { _tag: "Failed", error: "GatewayNotFound", detail: "no gateway that maps ports was found" },
  contacts: []
}

type Protocol = Findings["protocols"][number]

export const spoken = (external: string, protocol: Protocol["protocol"] = "UPnP"): Protocol => ({
  protocol,
  by: Option.some("192.168.1.1:5000"),
  version: protocol === "UPnP" ? Option.some("urn:schemas-upnp-org:service:WANIPConnection:1") : Option.none(),
  outcome: { _tag: "Spoken", external: ip(external) as NetAddress.Ipv4Address, kind: kindOf(ip(external)) }
})

export const failed = (
  error: PortMapperError["_tag"],
  protocol: Protocol["protocol"] = "UPnP",
  by?: string
): Protocol => ({
  protocol,
  by: Option.fromUndefinedOr(by),
  version: Option.none(),
  outcome: { _tag: "Failed", error, detail: `it was ${error}` }
})

export const mapped = (external: string): Mapping => ({
  _tag: "Mapped",
  internal: address("0.0.0.0:50000"),
  external: address(external),
  kind: kindOf(address(external).address)
})

export const refused = (error: PortMapperError["_tag"]): Mapping => ({
  _tag: "Failed",
  error,
  detail: `it was ${error}`
})

const notTried: DialBack = { _tag: "NotTried", detail: "no port is mapped" }

export const outcomes = (at: string) => ({
  reached: { _tag: "Reached", at: address(at) } as const,
  notReached: { _tag: "NotReached", at: address(at) } as const,
  elsewhere: { _tag: "Elsewhere", at: address(at) } as const,
  noAnswer: { _tag: "NoAnswer", at: address(at), error: "RpcTimedOut", detail: "it did not answer" } as const
})

/** A contact that sees us at `seen`. */
export const answered = (seen: string, asIs: DialBack, mapped: DialBack = notTried): Contact => ({
  peer: peer("5.6.7.8:4433"),
  outcome: {
    _tag: "Answered",
    peerId: contactId,
    seen: address(seen),
    kind: kindOf(address(seen).address),
    asIs,
    mapped
  }
})

export const silent: Contact = {
  peer: peer("5.6.7.9:4433"),
  outcome: { _tag: "Silent", error: "ConnectionTimedOut", detail: "5.6.7.9:4433 did not answer" }
}
