/**
 * Draws the verdict from the findings of `qp2p doctor`, with what a person can do about it.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Equal from "effect/Equal"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import { exitCodes } from "../Failure.ts"
import { type AddressKind, type Contact, type Findings, kindOf, type Verdict, type VerdictName } from "./Report.ts"

/** A contact that answered. */
type Answer = Extract<Contact["outcome"], { readonly _tag: "Answered" }>

/** Reachable, as far as it is known, is 0. What is unknown without a contact is not a failure. */
const exitCodeOf: Record<VerdictName, number> = {
  Reachable: exitCodes.ok,
  ReachableThroughMapping: exitCodes.ok,
  ReachableInThisNetwork: exitCodes.ok,
  Mapped: exitCodes.ok,
  CarrierGradeNat: exitCodes.failed,
  DoubleNat: exitCodes.failed,
  MappingRefused: exitCodes.failed,
  NoPortMapping: exitCodes.failed,
  Filtered: exitCodes.failed,
  UdpBlocked: exitCodes.failed,
  NoGateway: exitCodes.failed,
  Unknown: exitCodes.unknown
}

const verdict = (
  name: VerdictName,
  summary: string,
  advice: string,
  address: Option.Option<NetAddress.InetAddress> = Option.none()
): Verdict => ({ name, address, summary, advice, exitCode: exitCodeOf[name] })

const giveContact = "Give a peer outside of this network as --contact, and it is asked."

/**
 * Draws the verdict. The attempts of an outside contact count first, then the router's answers. A contact in the same
 * private network tells nothing about the internet, and counts when there is no other.
 *
 * @stability unstable
 * @category verdicts
 * @since 0.1.0
 */
export const verdictOf = (findings: Findings): Verdict => {
  const answers = findings.contacts.flatMap(({ outcome }) => (outcome._tag === "Answered" ? [outcome] : []))
  const outside = answers.filter(({ kind }) => kind === "Public")
  if (Arr.isReadonlyArrayNonEmpty(outside)) return fromOutside(findings, outside)
  if (Arr.isReadonlyArrayNonEmpty(answers)) return fromInside(findings, answers)
  return withoutContact(findings)
}

const reached = (answers: ReadonlyArray<Answer>, how: "asIs" | "mapped"): Option.Option<NetAddress.InetAddress> => {
  for (const answer of answers) {
    const dialBack = answer[how]
    if (dialBack._tag === "Reached") return Option.some(dialBack.at)
  }
  return Option.none()
}

const fromOutside = (findings: Findings, answers: Arr.NonEmptyReadonlyArray<Answer>): Verdict => {
  const asIs = reached(answers, "asIs")
  if (Option.isSome(asIs)) {
    return verdict(
      "Reachable",
      `reachable at ${asIs.value}, without a mapping`,
      `Others reach you there when you listen on port ${findings.listen.port}. You need no --forward-port.`,
      asIs
    )
  }
  const mapped = reached(answers, "mapped")
  if (Option.isSome(mapped)) {
    return verdict(
      "ReachableThroughMapping",
      `reachable through the router's mapping, as just now at ${mapped.value}`,
      "Run qp2p node --forward-port: it has the port forwarded for as long as it runs.",
      mapped
    )
  }
  return notReached(findings, answers)
}

const fromInside = (findings: Findings, answers: Arr.NonEmptyReadonlyArray<Answer>): Verdict => {
  const at = Option.orElse(reached(answers, "asIs"), () => reached(answers, "mapped"))
  return Option.isSome(at)
    ? verdict(
        "ReachableInThisNetwork",
        `reachable at ${at.value} by peers in the same network`,
        `Whether peers on the Internet get through is unknown: no contact there was asked. ${giveContact}`,
        at
      )
    : notReached(findings, answers)
}

const isIpv6 = ({ listen }: Findings): boolean => NetAddress.isInetAddressV6(listen)

/**
 * The external address that the router reports: the one of the mapped port, or else the one in any protocol. It is
 * always IPv4.
 */
const externalOf = (findings: Findings): Option.Option<NetAddress.IpAddress> => {
  const { mapping, protocols } = findings
  if (isIpv6(findings)) return Option.none()
  if (mapping._tag === "Mapped") return Option.some(mapping.external.address)
  for (const { outcome } of protocols) {
    if (outcome._tag === "Spoken") return Option.some(outcome.external)
  }
  return Option.none()
}

/** Errors of a port mapping that only an answering router can cause. */
const refusals = new Set(["MappingNotAuthorized", "MappingConflict", "GatewayProtocolError"])

/** Whether any router answered. */
const speaks = ({ mapping, protocols }: Findings): boolean =>
  protocols.some(({ by }) => Option.isSome(by)) || (mapping._tag === "Failed" && refusals.has(mapping.error))

const isOwn = ({ interfaces }: Findings, address: NetAddress.IpAddress): boolean =>
  interfaces.some((each) => Equal.equals(each.address, address))

const noneTells = (answers: ReadonlyArray<Answer>, how: "asIs" | "mapped"): boolean =>
  answers.every((answer) => answer[how]._tag === "NoAnswer" || answer[how]._tag === "NotTried")

/** The verdict when contacts answered and none got through. */
const notReached = (findings: Findings, answers: Arr.NonEmptyReadonlyArray<Answer>): Verdict => {
  const { seen } = answers[0]
  const external = externalOf(findings)
  if (Option.isSome(external) && !Equal.equals(external.value, seen.address)) {
    return anotherNat(kindOf(external.value), external.value, Option.some(seen.address))
  }
  if (noneTells(answers, findings.mapping._tag === "Mapped" ? "mapped" : "asIs")) {
    return verdict(
      "Unknown",
      `the contact sees you at ${seen}, and does not say whether it gets through`,
      "Ask another peer outside of this network, with --contact."
    )
  }
  if (isIpv6(findings)) {
    return verdict(
      "Filtered",
      "the contact sees you, and cannot dial you: something drops what strangers send",
      "Allow the UDP port in this machine's firewall, and in the IPv6 firewall of the router."
    )
  }
  if (findings.mapping._tag === "Mapped") {
    return verdict(
      "Filtered",
      `the router maps a port at ${findings.mapping.external}, and what strangers send there does not arrive`,
      "Allow UDP in this machine's firewall. If it is allowed, the router or the provider filters it."
    )
  }
  if (isOwn(findings, seen.address)) {
    return verdict(
      "Filtered",
      `you have the address ${NetAddress.formatIp(seen.address)} yourself, and what strangers send there does not arrive`,
      "Allow UDP in the firewall of this machine, or in that of its network or hosting provider."
    )
  }
  return notMapped(findings)
}

/** The NAT between the router and the internet, or between the router and the contact. */
const anotherNat = (
  kind: AddressKind,
  external: NetAddress.IpAddress,
  seen: Option.Option<NetAddress.IpAddress>
): Verdict => {
  const own = NetAddress.formatIp(external)
  if (kind === "Shared") return carrierGrade(`the router's own address is ${own}`)
  const outer = Option.match(seen, { onNone: () => "", onSome: (ip) => `, and ${NetAddress.formatIp(ip)} outside` })
  if (kind === "Public") {
    return verdict(
      "DoubleNat",
      `what you send leaves by another way than the router that maps ports: its address is ${own}${outer}`,
      "If you use a VPN, try without. If not, there is another router in front of this one: forward the port there too."
    )
  }
  return verdict(
    "DoubleNat",
    `another router stands in front of the one that maps ports: its address is ${own}${outer}`,
    "Forward the port on the outer router too (to the inner one), or make one of them a bridge. If the outer one is the " +
      "provider's, ask for a public address."
  )
}

const carrierGrade = (reason: string): Verdict =>
  verdict(
    "CarrierGradeNat",
    `behind carrier-grade NAT: ${reason}, which the provider shares among customers`,
    "No port can be forwarded there. Ask the provider for a public address, use IPv6, or let a peer that is reachable be " +
      "the one that you dial."
  )

const notMapped = (findings: Findings): Verdict => {
  const reason = findings.mapping._tag === "Failed" ? `: ${findings.mapping.detail}` : ""
  if (speaks(findings)) {
    return verdict(
      "MappingRefused",
      `the router does not map a port${reason}`,
      "Switch on UPnP, or NAT-PMP or PCP, in the router's settings, and allow it for this machine. Or forward a UDP port " +
        "by hand, and run qp2p node with --listen and --external-port."
    )
  }
  if (Option.exists(findings.outbound, (address) => kindOf(address) === "Shared")) {
    return carrierGrade(`this machine's address is ${Option.getOrThrow(findings.outbound)}`)
  }
  return verdict(
    "NoPortMapping",
    "no router answers that maps ports",
    "Switch on UPnP, or NAT-PMP or PCP, in the router's settings. Or forward a UDP port by hand, and run qp2p node with " +
      "--listen and --external-port."
  )
}

/** Errors after which it is known that UDP gets through to the contact and back. */
const answersOtherwise = new Set(["PeerMismatch", "PeerRefused"])

/** The verdict when no contact was given, or none answered. */
const withoutContact = (findings: Findings): Verdict => {
  const { contacts, interfaces, listen, mapping, outbound } = findings
  if (contacts.length === 0 && NetAddress.isLoopback(listen.address)) {
    return verdict(
      "Unknown",
      `only this machine itself can reach ${NetAddress.formatIp(listen.address)}`,
      "Look at another address with --listen, such as 0.0.0.0:4433, or give a peer on this machine as --contact."
    )
  }
  const family = NetAddress.familyOf(listen)
  const hasPublic = interfaces.some(({ address, kind }) => kind === "Public" && NetAddress.isFamily(address, family))
  const hasRouter =
    !isIpv6(findings) && (Option.isSome(findings.gateway) || mapping._tag === "Mapped" || speaks(findings))
  if (Option.isNone(outbound) && !hasPublic && !hasRouter) {
    return verdict(
      "NoGateway",
      `this machine has no way to the Internet over ${family}`,
      "Connect it to a network. To look at peers on this machine or in this network alone, give one as --contact."
    )
  }
  const external = externalOf(findings)
  const kind = Option.map(external, kindOf)
  if (Option.isSome(external) && Option.exists(kind, (each) => each === "Shared" || each === "Private")) {
    return anotherNat(Option.getOrThrow(kind), external.value, Option.none())
  }
  const denials = contacts.filter(({ outcome }) => outcome._tag === "Silent" && answersOtherwise.has(outcome.error))
  if (denials.length > 0) {
    return verdict(
      "Unknown",
      denials.length === contacts.length && denials.length === 1
        ? "the contact answers, and does not help: it is another peer, or it refuses this one"
        : `${denials.length} of ${contacts.length} contacts answer, and do not help: they are other peers, or refuse this one`,
      "See that the id of the contact is right, and that it lets this peer in."
    )
  }
  if (contacts.length > 0) {
    return verdict(
      "UdpBlocked",
      contacts.length === 1 ? "the contact does not answer" : `none of the ${contacts.length} contacts answers`,
      "See that the address is right and that a peer is running there. If it is, a firewall on the way drops UDP."
    )
  }
  if (mapping._tag === "Mapped" && Option.exists(kind, (each) => each === "Public")) {
    return verdict(
      "Mapped",
      `the router maps a port, as just now at ${mapping.external}`,
      `Run qp2p node --forward-port. No peer has tried it yet. ${giveContact}`,
      Option.some(mapping.external)
    )
  }
  if (mapping._tag === "Mapped") {
    return verdict(
      "Unknown",
      `the router maps a port at ${mapping.external}, which belongs to no host: it may be offline`,
      `See that the router is connected. ${giveContact}`
    )
  }
  if (hasPublic) {
    return verdict(
      "Unknown",
      "this machine has a public address of its own; whether a firewall lets others in is unknown",
      giveContact
    )
  }
  if (mapping._tag === "Skipped") {
    return verdict("Unknown", `${mapping.detail}; whether others get through is unknown`, giveContact)
  }
  return notMapped(findings)
}
