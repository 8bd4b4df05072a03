/**
 * The report of `qp2p doctor`, which `--json` prints. Addresses are encoded as text, and unknown values as null.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as PeerAddress from "@qp2p/core/PeerAddress"
import * as PeerId from "@qp2p/core/PeerId"
import * as HomeRouter from "@qp2p/upnp/HomeRouter"
import * as NetAddress from "effect/net/NetAddress"
import * as Schema from "effect/Schema"

/**
 * Which hosts can send to an address.
 *
 * - `Public`: every host.
 * - `Private`: the hosts of a private network (RFC 1918, and unique local IPv6 addresses).
 * - `Shared`: the customers of a provider (RFC 6598, carrier-grade NAT).
 * - `LinkLocal`: the hosts on the same link.
 * - `Loopback`: this machine.
 * - `Special`: no host (documentation, multicast and reserved addresses).
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const AddressKind = Schema.Literals(["Public", "Private", "Shared", "LinkLocal", "Loopback", "Special"])

/**
 * Which hosts can send to an address.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type AddressKind = typeof AddressKind.Type

/** Global unicast IPv6 (RFC 4291), without the documentation prefix (RFC 3849). */
const isGlobal = (address: NetAddress.Ipv6Address): boolean => {
  const [first, second] = NetAddress.ipv6ToSegments(address)
  return first >= 0x2000 && first <= 0x3fff && !(first === 0x2001 && second === 0x0db8)
}

/**
 * Classifies an address by which hosts can send to it.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const kindOf = (input: NetAddress.IpAddress): AddressKind => {
  const address = NetAddress.toCanonical(input)
  if (NetAddress.isLoopback(address)) return "Loopback"
  if (NetAddress.isLinkLocal(address)) return "LinkLocal"
  if (NetAddress.isIpv4Address(address)) return HomeRouter.reachOf(address)
  return NetAddress.isUniqueLocal(address) ? "Private" : isGlobal(address) ? "Public" : "Special"
}

/**
 * An address of this machine.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const Interface = Schema.Struct({
  name: Schema.String,
  address: Schema.IpAddressFromString,
  kind: AddressKind
})

/**
 * The router's answer in one protocol: `Spoken` with the external address it reports, or `Failed`, which includes no
 * answer. `error` is the name of the error class, `by` the host and port that answered, `version` the type of the UPnP
 * service.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const Protocol = Schema.Struct({
  protocol: Schema.Literals(["PCP", "NAT-PMP", "UPnP"]),
  by: Schema.OptionFromNullOr(Schema.String),
  version: Schema.OptionFromNullOr(Schema.String),
  outcome: Schema.Union([
    Schema.TaggedStruct("Spoken", {
      external: Schema.IpAddressFromString,
      kind: AddressKind
    }),
    Schema.TaggedStruct("Failed", { error: Schema.String, detail: Schema.String })
  ])
})

/**
 * The trial mapping, which is removed before the report is printed. `Skipped` where no port can be mapped: for IPv6,
 * and for loopback addresses, for which the router is not asked at all.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const Mapping = Schema.Union([
  Schema.TaggedStruct("Mapped", {
    internal: Schema.InetAddressFromString,
    external: Schema.InetAddressFromString,
    kind: AddressKind
  }),
  Schema.TaggedStruct("Failed", { error: Schema.String, detail: Schema.String }),
  Schema.TaggedStruct("Skipped", { detail: Schema.String })
])

/**
 * The result of the trial mapping.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Mapping = typeof Mapping.Type

/**
 * Whether a contact reaches the address `at`, whose socket never sent to the contact: what reaches it is let through
 * for every host, and not as an answer. `Elsewhere` means that another peer answers there.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const DialBack = Schema.Union([
  Schema.TaggedStruct("Reached", { at: Schema.InetAddressFromString }),
  Schema.TaggedStruct("NotReached", { at: Schema.InetAddressFromString }),
  Schema.TaggedStruct("Elsewhere", { at: Schema.InetAddressFromString }),
  Schema.TaggedStruct("NoAnswer", { at: Schema.InetAddressFromString, error: Schema.String, detail: Schema.String }),
  Schema.TaggedStruct("NotTried", { detail: Schema.String })
])

/**
 * Whether a contact reaches an address.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type DialBack = typeof DialBack.Type

/**
 * A contact, as it was given (`peer`), and its findings: the key that it has proven, the address where it sees this
 * machine, whether it reaches that address without a mapping (`asIs`), and whether it reaches the mapped port (`mapped`).
 * `Silent` means that it could not be reached, is another peer, refuses this one, or gave no valid answer.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const Contact = Schema.Struct({
  peer: PeerAddress.PeerAddressFromString,
  outcome: Schema.Union([
    Schema.TaggedStruct("Answered", {
      peerId: PeerId.PeerId,
      seen: Schema.InetAddressFromString,
      kind: AddressKind,
      asIs: DialBack,
      mapped: DialBack
    }),
    Schema.TaggedStruct("Silent", { error: Schema.String, detail: Schema.String })
  ])
})

/**
 * A contact's findings.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Contact = typeof Contact.Type

/**
 * All findings. `outbound` is the local address of the route to the internet; `listen` is the address of the examined
 * endpoint.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const Findings = Schema.Struct({
  listen: Schema.InetAddressFromString,
  interfaces: Schema.Array(Interface),
  outbound: Schema.OptionFromNullOr(Schema.IpAddressFromString),
  gateway: Schema.OptionFromNullOr(Schema.IpAddressFromString),
  protocols: Schema.Array(Protocol),
  mapping: Mapping,
  contacts: Schema.Array(Contact)
})

/**
 * All findings.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Findings = typeof Findings.Type

/**
 * The name of a verdict.
 *
 * - `Reachable`: an outside contact gets through without a mapping.
 * - `ReachableThroughMapping`: an outside contact gets through to the mapped port.
 * - `ReachableInThisNetwork`: a contact gets through, and is in the same private network.
 * - `Mapped`: the router maps a port at a public address, and there is no contact to try it.
 * - `CarrierGradeNat`: the provider shares its addresses among customers, so no port can be forwarded.
 * - `DoubleNat`: another router stands in front of the router.
 * - `MappingRefused`: the router speaks a protocol for mapping ports, and refuses.
 * - `NoPortMapping`: no router that maps ports answers.
 * - `Filtered`: there is no translation in between, or the mapping exists; packets are dropped somewhere.
 * - `UdpBlocked`: none of the contacts answers.
 * - `NoGateway`: this machine has no route to the internet.
 * - `Unknown`: only a contact could tell.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const VerdictName = Schema.Literals([
  "Reachable",
  "ReachableThroughMapping",
  "ReachableInThisNetwork",
  "Mapped",
  "CarrierGradeNat",
  "DoubleNat",
  "MappingRefused",
  "NoPortMapping",
  "Filtered",
  "UdpBlocked",
  "NoGateway",
  "Unknown"
])

/**
 * The name of a verdict.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type VerdictName = typeof VerdictName.Type

/**
 * The conclusion from the findings. `address` is where outside peers (or those of this network) reach the machine;
 * `exitCode` is that of the command.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const Verdict = Schema.Struct({
  name: VerdictName,
  address: Schema.OptionFromNullOr(Schema.InetAddressFromString),
  summary: Schema.String,
  advice: Schema.String,
  exitCode: Schema.Int
})

/**
 * The conclusion from the findings.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Verdict = typeof Verdict.Type

/**
 * The findings, the verdict, and the version of the command.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const Report = Schema.Struct({ version: Schema.String, verdict: Verdict, ...Findings.fields })

/**
 * The findings, the verdict, and the version of the command.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Report = typeof Report.Type

/**
 * A report as one line of JSON.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const ReportJson = Schema.fromJsonString(Report)
