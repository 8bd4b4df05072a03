/**
 * What the system's error codes say of a socket and of what it was to send.
 */
import * as NetAddress from "effect/net/NetAddress"
import { BindError } from "@qp2p/core/EndpointError"

export const codeOf = (error: unknown): string | undefined => {
  const code = typeof error === "object" && error !== null ? (error as NodeJS.ErrnoException).code : undefined
  return typeof code === "string" ? code : undefined
}

/** Why a socket cannot be opened, in the words of Effect's `DatagramSocketOpenError`. */
export type OpenFailure = "AddressInUse" | "AddressNotAvailable" | "PermissionDenied" | "PortReserved" | "Unknown"

const openSentences: Record<OpenFailure, string> = {
  AddressInUse: "the address is in use",
  AddressNotAvailable: "the address is not one of this machine",
  PermissionDenied: "permission denied",
  PortReserved: "the system has reserved the port, or a program uses it that shares it with none",
  Unknown: "the socket could not be opened"
}

/** `platform` is in the words of `process.platform`. */
export const openFailureOf = (error: unknown, platform: string): OpenFailure => {
  switch (codeOf(error)) {
    case "EADDRINUSE":
      return "AddressInUse"
    case "EADDRNOTAVAIL":
    case "ENODEV":
      return "AddressNotAvailable"
    case "EACCES":
    case "EPERM":
      // Windows has no privileged ports. It says so of excluded ranges (Hyper-V, containers) and of SO_EXCLUSIVEADDRUSE.
      return platform === "win32" ? "PortReserved" : "PermissionDenied"
    default:
      return "Unknown"
  }
}

export const openError = (address: NetAddress.InetAddress, failure: OpenFailure, cause: unknown): BindError =>
  new BindError({ address, detail: openSentences[failure], cause })

/**
 * Codes that are like the loss of a packet: the system is short of memory, tells of an earlier packet, or was interrupted.
 * QUIC sends again.
 */
const losses = new Set([
  "EAGAIN",
  "EWOULDBLOCK",
  "ENOBUFS",
  "ENOMEM",
  "EINTR",
  "ECONNREFUSED",
  "ECONNRESET",
  "ECANCELED"
])

/** Whether the next packet to the same place may well be sent. */
export const isLikeLoss = (code: string): boolean => losses.has(code) || code.startsWith("ERR_SOCKET_DGRAM_")

/** Why nothing can be sent to `peer` from a socket at `local`; `platform` is in the words of `process.platform`. */
export const refusalReason = (
  code: string,
  local: NetAddress.InetAddress,
  peer: NetAddress.InetAddress,
  platform: string = process.platform
): string => {
  switch (code) {
    case "EACCES":
    case "EPERM":
      return "the system does not permit it, as with a firewall or a broadcast address"
    case "ENETUNREACH":
      return "the network is unreachable"
    case "EHOSTUNREACH":
      // From macOS 15 on the user decides which programs may reach the local network.
      return platform === "darwin" && !NetAddress.isLoopback(peer.address)
        ? "there is no route to the host, or macOS keeps this program out of the local network (Settings, Privacy & Security)"
        : "there is no route to the host"
    case "ENETDOWN":
      return "the network is down"
    case "EHOSTDOWN":
      return "the host is down"
    case "EMSGSIZE":
      return "the way there takes no packets of 1,200 bytes, which QUIC needs"
    case "ENODEV":
      return "no network interface has this zone"
    case "EAFNOSUPPORT":
      return "the system does not support such addresses"
    default:
      return NetAddress.isLoopback(local.address) && !NetAddress.isLoopback(peer.address)
        ? `this endpoint is bound to ${NetAddress.formatHost(local)}, which reaches this machine only`
        : `the system sends nothing there from ${NetAddress.formatInet(local)}`
  }
}
