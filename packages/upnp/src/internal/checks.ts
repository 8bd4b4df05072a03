/**
 * Checks of arguments from callers without types. A mapper with invalid options maps nothing, and its error names the
 * option.
 */
import * as InvalidArgument from "@qp2p/core/InvalidArgument"
import type * as PortMapper from "@qp2p/core/PortMapper"
import { PortMapperUnsupported } from "@qp2p/core/PortMapperError"
import * as Duration from "effect/Duration"
import type { InternalOptions as NatPmpOptions } from "./natpmp/options.ts"
import type { InternalOptions as NatUpnpOptions } from "./upnp/internalOptions.ts"

const { check, inetAddress, isRecord, oneOf, optional, positiveDuration, text } = InvalidArgument

const anything = () => undefined

/** The checks of the options for PCP and NAT-PMP, by name. */
export const natPmp: Readonly<Record<keyof NatPmpOptions, InvalidArgument.Check>> = {
  // `access.locate` checks this one, with an error message of its own.
  gateway: anything,
  requestTimeout: optional(positiveDuration),
  retryInterval: optional(positiveDuration),
  // Only tests set these.
  find: anything,
  openSocket: anything,
  port: anything
}

/** The checks of the options for UPnP, by name. */
export const natUpnp: Readonly<Record<keyof NatUpnpOptions, InvalidArgument.Check>> = {
  searchTimeout: optional(positiveDuration),
  requestTimeout: optional(positiveDuration),
  description: optional(text),
  onConflict: optional(oneOf("nextPort", "fail")),
  discover: anything
}

const options = check("must be an object", isRecord)

/** The checks of the options for all protocols, by name. */
export const homeRouter: InvalidArgument.Fields = { natPmp: optional(options), natUpnp: optional(options) }

const request: InvalidArgument.Fields = {
  internal: inetAddress,
  external: optional(check("must be a port", (value) => typeof value === "number")),
  lease: check("must be a Duration", Duration.isDuration)
}

const unsupported = (wrong: InvalidArgument.InvalidArgument | undefined): PortMapperUnsupported | undefined =>
  wrong && new PortMapperUnsupported({ detail: wrong.message })

/** The error for invalid options; undefined when they are valid. */
export const refusedOptions = (given: unknown, fields: InvalidArgument.Fields): PortMapperUnsupported | undefined =>
  unsupported(InvalidArgument.ofOptions(given, fields))

/** The error for an invalid request; undefined when it is valid. */
export const refusedRequest = (given: PortMapper.MapOptions): PortMapperUnsupported | undefined =>
  unsupported(InvalidArgument.ofFields("request", given, request))
