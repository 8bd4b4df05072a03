/**
 * Prints a report for people.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import { printable } from "../Printable.ts"
import type { AddressKind, Contact, DialBack, Findings, Mapping, Report } from "./Report.ts"

const kinds: Record<AddressKind, string> = {
  Public: "public",
  Private: "private",
  Shared: "carrier-grade NAT",
  LinkLocal: "link-local",
  Loopback: "loopback",
  Special: "reserved"
}

const columns = (rows: ReadonlyArray<readonly [string, string]>): ReadonlyArray<string> => {
  const width = Math.max(0, ...rows.map(([first]) => first.length))
  return rows.map(([first, second]) => `  ${first.padEnd(width)}  ${second}`)
}

const interfaces = ({ interfaces, outbound }: Findings): ReadonlyArray<string> => [
  "addresses of this machine",
  ...columns(
    interfaces.map(({ address, kind, name }) => {
      const leaves = Option.exists(outbound, (own) => NetAddress.formatIp(own) === NetAddress.formatIp(address))
      return [name, `${NetAddress.formatIp(address)} (${kinds[kind]}${leaves ? ", the way out" : ""})`] as const
    })
  )
]

const router = ({ gateway, protocols }: Findings): ReadonlyArray<string> => [
  Option.match(gateway, { onNone: () => "no default gateway", onSome: (ip) => `gateway ${NetAddress.formatIp(ip)}` }),
  ...columns(
    protocols.map(({ by, outcome, protocol, version }) => {
      const who = Option.match(by, { onNone: () => "", onSome: (name) => ` by ${name}` })
      if (outcome._tag === "Failed") return [protocol, `no: ${outcome.detail}`] as const
      const external = `${NetAddress.formatIp(outcome.external)} (${kinds[outcome.kind]})`
      const service = Option.match(version, {
        onNone: () => "",
        onSome: (urn) => ` (${urn.replace(/^urn:.*:service:/iu, "")})`
      })
      return [protocol, `spoken${who}${service}, external address ${external}`] as const
    })
  )
]

const mapping = (trial: Mapping): string => {
  switch (trial._tag) {
    case "Mapped":
      return `trial mapping ${trial.external} (${kinds[trial.kind]}) -> ${trial.internal}, removed again`
    case "Failed":
      return `no trial mapping: ${trial.detail}`
    case "Skipped":
      return `no trial mapping: ${trial.detail}`
  }
}

const dialBack = (outcome: DialBack): string => {
  switch (outcome._tag) {
    case "Reached":
      return `gets through to ${outcome.at}`
    case "NotReached":
      return `does not get through to ${outcome.at}`
    case "Elsewhere":
      return `gets through to ${outcome.at}, where another machine answers`
    case "NoAnswer":
      return `does not say whether it gets through to ${outcome.at}: ${outcome.detail}`
    case "NotTried":
      return `not tried: ${outcome.detail}`
  }
}

const contact = ({ outcome, peer }: Contact): ReadonlyArray<string> =>
  outcome._tag === "Silent"
    ? [`contact ${peer}`, ...columns([["no answer", outcome.detail]])]
    : [
        `contact ${peer}`,
        ...columns([
          ...(Option.isNone(peer.peerId) ? [["is the peer", outcome.peerId] as const] : []),
          ["sees us at", `${outcome.seen} (${kinds[outcome.kind]})`],
          ["without mapping", dialBack(outcome.asIs)],
          ["with mapping", dialBack(outcome.mapped)]
        ])
      ]

/**
 * The lines of a report, the verdict last. Texts of routers and peers pass through `printable`.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const lines = (report: Report): ReadonlyArray<string> =>
  [
    ...interfaces(report),
    ...router(report),
    mapping(report.mapping),
    ...report.contacts.flatMap(contact),
    `verdict: ${report.verdict.summary}`,
    `  ${report.verdict.advice}`
  ].map((line) => printable(line))
