import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Print from "../../src/doctor/Print.ts"
import { type Findings, type Report, ReportJson } from "../../src/doctor/Report.ts"
import { verdictOf } from "../../src/doctor/Verdict.ts"
import { address, answered, contactId, failed, home, mapped, outcomes, silent, spoken } from "../support/findings.ts"

const reportOf = (findings: Partial<Findings>): Report => {
  const all = { ...home, ...findings }
  return { version: "0.1.0", verdict: verdictOf(all), ...all }
}

const full = reportOf({
  protocols: [failed("PortMapperTimedOut", "PCP"), spoken("1.2.3.1", "NAT-PMP"), spoken("1.2.3.1")],
  mapping: mapped("1.2.3.1:50000"),
  contacts: [
    answered("1.2.3.1:61000", outcomes("1.2.3.1:4433").notReached, outcomes("1.2.3.1:50000").reached),
    answered("1.2.3.1:61001", outcomes("1.2.3.1:4433").elsewhere, outcomes("1.2.3.1:50000").noAnswer),
    silent
  ]
})

describe("a report", () => {
  it("has everything, and the verdict last", () => {
    assert.deepStrictEqual(Print.lines(full), [
      "addresses of this machine",
      "  lo    127.0.0.1 (loopback)",
      "  eth0  192.168.1.5 (private, the way out)",
      "  eth0  fe80::5 (link-local)",
      "gateway 192.168.1.1",
      "  PCP      no: it was PortMapperTimedOut",
      "  NAT-PMP  spoken by 192.168.1.1:5000, external address 1.2.3.1 (public)",
      "  UPnP     spoken by 192.168.1.1:5000 (WANIPConnection:1), external address 1.2.3.1 (public)",
      "trial mapping 1.2.3.1:50000 (public) -> 0.0.0.0:50000, removed again",
      "contact 5.6.7.8:4433",
      `  is the peer      ${contactId}`,
      "  sees us at       1.2.3.1:61000 (public)",
      "  without mapping  does not get through to 1.2.3.1:4433",
      "  with mapping     gets through to 1.2.3.1:50000",
      "contact 5.6.7.8:4433",
      `  is the peer      ${contactId}`,
      "  sees us at       1.2.3.1:61001 (public)",
      "  without mapping  gets through to 1.2.3.1:4433, where another machine answers",
      "  with mapping     does not say whether it gets through to 1.2.3.1:50000: it did not answer",
      "contact 5.6.7.9:4433",
      "  no answer  5.6.7.9:4433 did not answer",
      "verdict: reachable through the router's mapping, as just now at 1.2.3.1:50000",
      "  Run qp2p node --forward-port: it has the port forwarded for as long as it runs."
    ])
  })

  it("names the service of a router that writes its type in another case", () => {
    const odd = { ...spoken("1.2.3.1"), version: Option.some("URN:Schemas-UPnP-Org:Service:wanipconnection:1") }
    assert.include(
      Print.lines(reportOf({ protocols: [odd] })),
      "  UPnP  spoken by 192.168.1.1:5000 (wanipconnection:1), external address 1.2.3.1 (public)"
    )
  })

  it("says what there is not", () => {
    const lines = Print.lines(
      reportOf({
        gateway: Option.none(),
        outbound: Option.none(),
        interfaces: [],
        contacts: [answered("1.2.3.1:61000", outcomes("1.2.3.1:4433").reached)]
      })
    )
    assert.deepStrictEqual(lines.slice(0, 7), [
      "addresses of this machine",
      "no default gateway",
      "no trial mapping: no gateway that maps ports was found",
      "contact 5.6.7.8:4433",
      `  is the peer      ${contactId}`,
      "  sees us at       1.2.3.1:61000 (public)",
      "  without mapping  gets through to 1.2.3.1:4433"
    ])
    assert.strictEqual(lines[7], "  with mapping     not tried: no port is mapped")
    const overIpv6 = reportOf({ mapping: { _tag: "Skipped", detail: "over IPv6 no port is mapped" } })
    assert.include(Print.lines(overIpv6), "no trial mapping: over IPv6 no port is mapped")
  })

  it("keeps what a router says on its line", () => {
    const lines = Print.lines(
      reportOf({ protocols: [{ ...spoken("1.2.3.1"), version: Option.some("\u001b[2J\nverdict: all is well") }] })
    )
    assert.include(
      lines,
      "  UPnP  spoken by 192.168.1.1:5000 (\\u001b[2J\\nverdict: all is well), external address 1.2.3.1 (public)"
    )
  })

  it("is one line of JSON, of plain values, that can be read back", () => {
    const line = Schema.encodeSync(ReportJson)(full)
    assert.notInclude(line, "\n")
    const plain = JSON.parse(line)
    assert.deepStrictEqual(Object.keys(plain), [
      "version",
      "verdict",
      "listen",
      "interfaces",
      "outbound",
      "gateway",
      "protocols",
      "mapping",
      "contacts"
    ])
    assert.deepStrictEqual(plain.verdict, {
      name: "ReachableThroughMapping",
      address: "1.2.3.1:50000",
      summary: "reachable through the router's mapping, as just now at 1.2.3.1:50000",
      advice: "Run qp2p node --forward-port: it has the port forwarded for as long as it runs.",
      exitCode: 0
    })
    assert.deepStrictEqual(plain.protocols[1], {
      protocol: "NAT-PMP",
      by: "192.168.1.1:5000",
      version: null,
      outcome: { _tag: "Spoken", external: "1.2.3.1", kind: "Public" }
    })
    assert.deepStrictEqual(plain.contacts[0], {
      peer: "5.6.7.8:4433",
      outcome: {
        _tag: "Answered",
        peerId: contactId,
        seen: "1.2.3.1:61000",
        kind: "Public",
        asIs: { _tag: "NotReached", at: "1.2.3.1:4433" },
        mapped: { _tag: "Reached", at: "1.2.3.1:50000" }
      }
    })
    assert.deepStrictEqual(Schema.decodeSync(ReportJson)(line), full)
    assert.strictEqual(`${full.listen}`, `${address("0.0.0.0:4433")}`)
  })
})
