/** Translates a gateway's result codes to errors. */
import {
  GatewayProtocolError,
  MappingConflict,
  MappingNotAuthorized,
  type PortMapperError,
  PortMapperUnsupported
} from "@qp2p/core/PortMapperError"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as pcp from "./pcp.ts"
import * as pmp from "./pmp.ts"

/** The protocol of a conversation; both use UDP port 5351 of the gateway. */
export type Protocol = "PCP" | "NAT-PMP"

/** The gateway understood a request and refused it. `code` is the protocol's result code. */
export class Refusal extends Schema.TaggedError<Refusal>("@qp2p/upnp/internal/natpmp/Refusal")("Refusal", {
  protocol: Schema.Literals(["PCP", "NAT-PMP"]),
  code: Schema.Int
}) {}

/** Makes the error of an answer that breaks the protocol. `code` is the result code, if the answer has one. */
export const protocolError = (gateway: string, detail: string, code?: number): GatewayProtocolError =>
  new GatewayProtocolError({ gateway, detail, code: Option.fromUndefinedOr(code) })

const pcpReasons: Record<number, string> = {
  [pcp.results.malformedRequest]: "it cannot read the request",
  [pcp.results.unsupportedOption]: "it does not know an option",
  [pcp.results.malformedOption]: "it cannot read an option",
  [pcp.results.networkFailure]: "it has no connection to the network outside",
  [pcp.results.noResources]: "it has no resources for another mapping",
  [pcp.results.userExceedsQuota]: "this host has as many mappings as it may have",
  [pcp.results.addressMismatch]: "another gateway stands between it and this host",
  [pcp.results.excessiveRemotePeers]: "it cannot filter that many peers"
}

const natPmpReasons: Record<number, string> = {
  [pmp.results.networkFailure]: "it has no connection to the network outside",
  [pmp.results.outOfResources]: "it has no resources for another mapping"
}

const unsupported = (gateway: string, protocol: Protocol, what: string) =>
  new PortMapperUnsupported({ detail: `the gateway at ${gateway} ${what} (${protocol})` })

const fromPcp = (gateway: string, code: number, externalPort: number): PortMapperError => {
  switch (code) {
    case pcp.results.notAuthorized:
      return new MappingNotAuthorized({ gateway })
    case pcp.results.cannotProvideExternal:
      return new MappingConflict({ gateway, externalPort })
    case pcp.results.unsupportedVersion:
      return unsupported(gateway, "PCP", "speaks another version of the protocol")
    case pcp.results.unsupportedOpcode:
      return unsupported(gateway, "PCP", "maps no ports")
    case pcp.results.unsupportedProtocol:
      return unsupported(gateway, "PCP", "maps no UDP ports")
    default:
      return protocolError(gateway, pcpReasons[code] ?? `result ${code} (PCP)`, code)
  }
}

const fromNatPmp = (gateway: string, code: number): PortMapperError => {
  switch (code) {
    case pmp.results.notAuthorized:
      return new MappingNotAuthorized({ gateway })
    case pmp.results.unsupportedOpcode:
      return unsupported(gateway, "NAT-PMP", "maps no UDP ports")
    default:
      return protocolError(gateway, natPmpReasons[code] ?? `result ${code} (NAT-PMP)`, code)
  }
}

/** Translates a result code of PCP (RFC 6887, section 7.4) or NAT-PMP (RFC 6886, section 3.5) to an error. */
export const fromRefusal = (gateway: string, refusal: Refusal, externalPort: number): PortMapperError =>
  refusal.protocol === "PCP" ? fromPcp(gateway, refusal.code, externalPort) : fromNatPmp(gateway, refusal.code)
