/**
 * The errors of UDP sockets, in sentences.
 */
import * as NetAddress from "effect/net/NetAddress"
import { BindError } from "@qp2p/core/EndpointError"
import { type OpenFailure, systemCode } from "./systemCodes.ts"

/** The code of a system's error, such as `EINVAL`. */
export const codeOf = (error: unknown): string | undefined => {
  const code = typeof error === "object" && error !== null ? (error as NodeJS.ErrnoException).code : undefined
  return typeof code === "string" ? code : undefined
}

const openSentences: Record<OpenFailure, string> = {
  AddressInUse: "the address is in use",
  AddressNotAvailable: "the address is not one of this machine",
  PermissionDenied: "permission denied",
  PortReserved: "the system has reserved the port, or a program uses it that shares it with none",
  Unknown: "the socket could not be opened"
}

/** Why a socket could not be opened; `platform` is in the words of `process.platform`. */
export const openFailureOf = (error: unknown, platform: string): OpenFailure => {
  const failure = systemCode(codeOf(error) ?? "").open ?? "Unknown"
  // Windows has no privileged ports. It says so of excluded ranges (Hyper-V, containers) and of SO_EXCLUSIVEADDRUSE.
  return failure === "PermissionDenied" && platform === "win32" ? "PortReserved" : failure
}

/** Makes the `BindError` of a socket that could not be opened, with the sentence for `failure`. */
export const openError = (address: NetAddress.InetAddress, failure: OpenFailure, cause: unknown): BindError =>
  new BindError({ address, detail: openSentences[failure], cause })

/** Whether the system may well send the next packet to the same address. */
export const isLikeLoss = (code: string): boolean =>
  systemCode(code).isLoss === true || code.startsWith("ERR_SOCKET_DGRAM_")

/** Why nothing can be sent to `peer` from a socket at `local`; `platform` is in the words of `process.platform`. */
export const refusalReason = (
  code: string,
  local: NetAddress.InetAddress,
  peer: NetAddress.InetAddress,
  platform: string = process.platform
): string => {
  const { refusal } = systemCode(code)
  const reachesPeer = !NetAddress.isLoopback(local.address) || NetAddress.isLoopback(peer.address)
  // Systems have different codes for it; others are EINVAL and EADDRNOTAVAIL.
  if (!reachesPeer && (refusal === undefined || code === "ENETUNREACH" || code === "EHOSTUNREACH")) {
    return `this endpoint is bound to ${NetAddress.formatHost(local)}, which reaches this machine only`
  }
  if (refusal === undefined) return `the system sends nothing there from ${NetAddress.formatInet(local)}`
  // From macOS 15 on the user decides which programs may reach the local network.
  return code === "EHOSTUNREACH" && platform === "darwin" && !NetAddress.isLoopback(peer.address)
    ? `${refusal}, or macOS keeps this program out of the local network (Settings, Privacy & Security)`
    : refusal
}
