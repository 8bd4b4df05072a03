/**
 * What `qp2p doctor` has found out; with `--json`, what it prints. Addresses are texts there, and what is unknown is null.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as HomeRouter from "@qp2p/upnp/HomeRouter"
import * as NetAddress from "effect/net/NetAddress"
import * as Schema from "effect/Schema"

/**
 * Who can send to an address: everybody (`Public`); only hosts in a network of its own (`Private`: RFC 1918, and unique
 * local IPv6), in that of a provider's customers (`Shared`: RFC 6598, carrier-grade NAT), on the same cable
 * (`LinkLocal`) or on the same machine (`Loopback`); or nobody (`Special`: documentation, multicast, reserved).
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const AddressKind = Schema.Literals(["Public", "Private", "Shared", "LinkLocal", "Loopback", "Special"])

/**
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type AddressKind = typeof AddressKind.Type

/**
 * Global unicast IPv6 (RFC 4291) but for the addresses of documentation (RFC 3849).
 */
const isGlobal = (address: NetAddress.Ipv6Address): boolean => {
  const [first, second] = NetAddress.ipv6ToSegments(address)
  return first >= 0x2000 && first <= 0x3fff && !(first === 0x2001 && second === 0x0db8)
}

/**
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
 * What the router answered in one protocol: `Spoken`, with the address that it says it has outside, or `Failed`, which may
 * be no answer. `error` is the name of the error class; `by` the host and port that answered; `version` the UPnP service.
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
    Schema.TaggedStruct("Failed", { error: Schema.String, reason: Schema.String })
  ])
})

/**
 * The port that was mapped on trial; it is removed again before the report is printed. `Skipped` where no port can be
 * mapped: for IPv6, and for loopback addresses, for which the router is not asked at all.
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
  Schema.TaggedStruct("Failed", { error: Schema.String, reason: Schema.String }),
  Schema.TaggedStruct("Skipped", { reason: Schema.String })
])

/**
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Mapping = typeof Mapping.Type

/**
 * Whether a contact gets through to `at`, where a socket should be that has never sent the contact anything: what gets
 * there gets there for everybody, and not because the router lets answers in. `Elsewhere`: a peer answers there, and it is
 * not the one that was looked at.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const DialBack = Schema.Union([
  Schema.TaggedStruct("Reached", { at: Schema.InetAddressFromString }),
  Schema.TaggedStruct("NotReached", { at: Schema.InetAddressFromString }),
  Schema.TaggedStruct("Elsewhere", { at: Schema.InetAddressFromString }),
  Schema.TaggedStruct("NoAnswer", { at: Schema.InetAddressFromString, error: Schema.String, reason: Schema.String }),
  Schema.TaggedStruct("NotTried", { reason: Schema.String })
])

/**
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type DialBack = typeof DialBack.Type

/**
 * What a contact says: where it sees us, whether it can dial us at that address without a mapping (`asIs`), and at the
 * mapped port (`mapped`). `Silent`: it could not be reached, or said nothing that makes sense.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const Contact = Schema.Struct({
  address: Schema.InetAddressFromString,
  outcome: Schema.Union([
    Schema.TaggedStruct("Answered", {
      seen: Schema.InetAddressFromString,
      kind: AddressKind,
      asIs: DialBack,
      mapped: DialBack
    }),
    Schema.TaggedStruct("Silent", { error: Schema.String, reason: Schema.String })
  ])
})

/**
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Contact = typeof Contact.Type

/**
 * Everything that was found out. `outbound` is the local address that packets to the Internet leave by; `listen` where
 * the endpoint listened that was looked at.
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
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Findings = typeof Findings.Type

/**
 * - `Reachable`: a contact outside gets through without a mapping.
 * - `ReachableThroughMapping`: a contact outside gets through to the mapped port.
 * - `ReachableInThisNetwork`: a contact gets through, and is in a network of ours itself.
 * - `Mapped`: the router maps a port at a public address, and no contact was given that could try it.
 * - `CarrierGradeNat`: the provider shares its addresses among customers. No port can be forwarded.
 * - `DoubleNat`: there is another router in front of the router.
 * - `MappingRefused`: the router speaks a protocol for it, and maps no port.
 * - `NoPortMapping`: no router answers that maps ports.
 * - `Filtered`: nothing translates addresses in between, or the mapping stands; something drops the packets.
 * - `UdpBlocked`: none of the contacts answers.
 * - `NoGateway`: this machine has no way to the Internet.
 * - `Unknown`: it takes a contact to find out.
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
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type VerdictName = typeof VerdictName.Type

/**
 * What the findings come to. `address` is where peers outside (or in this network) reach us; `exitCode` is that of the
 * command.
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
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Verdict = typeof Verdict.Type

/**
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const Report = Schema.Struct({ version: Schema.String, verdict: Verdict, ...Findings.fields })

/**
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
