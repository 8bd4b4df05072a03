/**
 * The error codes of systems: what each says of a socket that cannot be opened, and of a packet that is not sent. Which of them
 * may pass with time, `RetrySchedule` of the core decides.
 */
import type { IoErrorKind } from "effect/socket/DatagramSocket"

/** Why a socket cannot be opened: the words of Effect's `DatagramSocketOpenError`, and what only Windows has. */
export type OpenFailure = "AddressInUse" | "AddressNotAvailable" | "PermissionDenied" | "PortReserved" | "Unknown"

interface SystemCode {
  /** What it says of a socket that cannot be opened. */
  readonly open?: OpenFailure
  /** What Effect calls it when a packet is not sent. */
  readonly kind?: IoErrorKind
  /**
   * Whether it is like the loss of a packet: the system is short of memory, reports an earlier packet, or was interrupted. QUIC
   * sends again.
   */
  readonly isLoss?: true
  /** Why nothing can be sent, as the end of a sentence. */
  readonly refusal?: string
}

const notPermitted = "the system does not permit it, as with a firewall or a broadcast address"

const table: Readonly<Record<string, SystemCode>> = {
  EACCES: { open: "PermissionDenied", kind: "PermissionDenied", refusal: notPermitted },
  EADDRINUSE: { open: "AddressInUse" },
  EADDRNOTAVAIL: { open: "AddressNotAvailable" },
  EAFNOSUPPORT: { refusal: "the system does not support such addresses" },
  EAGAIN: { isLoss: true },
  ECANCELED: { isLoss: true },
  ECONNREFUSED: { kind: "ConnectionRefused", isLoss: true },
  ECONNRESET: { isLoss: true },
  EHOSTDOWN: { refusal: "the host is down" },
  EHOSTUNREACH: { refusal: "there is no route to the host" },
  EINTR: { isLoss: true },
  EMSGSIZE: {
    kind: "MessageTooLarge",
    refusal: "the way there takes no packets of 1,200 bytes, which QUIC needs"
  },
  ENETDOWN: { refusal: "the network is down" },
  ENETUNREACH: { kind: "Unreachable", refusal: "the network is unreachable" },
  ENOBUFS: { isLoss: true },
  ENODEV: { open: "AddressNotAvailable", refusal: "no network interface has this zone" },
  ENOMEM: { isLoss: true },
  EPERM: { open: "PermissionDenied", refusal: notPermitted },
  EWOULDBLOCK: { isLoss: true }
}

/** What is known of a code; nothing of one that is not in the table. */
export const systemCode = (code: string): SystemCode => (Object.hasOwn(table, code) ? table[code]! : {})

/** The code that stands for what Effect calls `kind`; `UNKNOWN` if none does. */
export const codeOfKind = (kind: IoErrorKind): string =>
  Object.keys(table).find((code) => table[code]!.kind === kind) ?? "UNKNOWN"

/** Every code of the table. */
export const knownCodes: ReadonlyArray<string> = Object.keys(table)
