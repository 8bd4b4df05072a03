/**
 * How sizes, durations and messages are printed.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type * as NetAddress from "effect/net/NetAddress"
import type { PeerAddress } from "@qp2p/core/PeerAddress"
import type { PeerId } from "@qp2p/core/PeerId"
import * as Option from "effect/Option"
import { createHash } from "node:crypto"
import { printable } from "./Printable.ts"

const units = ["B", "kB", "MB", "GB", "TB", "PB"] as const

/**
 * A number of bytes in decimal units, such as `64.0 MB`.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const bytes = (count: number): string => {
  let value = count
  let unit = 0
  // A value that would round to 1000.0 belongs to the next unit.
  while (value >= (unit === 0 ? 1_000 : 999.95) && unit < units.length - 1) {
    value /= 1_000
    unit++
  }
  return unit === 0 ? `${Math.round(value)} B` : `${value.toFixed(1)} ${units[unit]}`
}

const digits = (value: number, decimals: number): string =>
  Number.isInteger(value) ? String(value) : value.toFixed(decimals)

/**
 * A duration with its significant digits: `0.42 ms`, `12.3 ms`, `1.20 s`, `30 s`, `2 min 5 s`.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const duration = (span: Duration.Duration): string => {
  const millis = Duration.toMillis(span)
  if (millis < 9.995) return `${digits(millis, 2)} ms`
  if (millis < 999.95) return `${digits(millis, 1)} ms`
  if (millis < 59_995) return `${digits(millis / 1_000, 2)} s`
  const seconds = Math.round(millis / 1_000)
  const minutes = `${Math.floor(seconds / 60)} min`
  return seconds % 60 === 0 ? minutes : `${minutes} ${seconds % 60} s`
}

/**
 * Bytes per duration, in the units of `bytes`: `71.3 MB/s`, `5.7 kB/s`.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const throughput = (count: number, span: Duration.Duration): string =>
  `${bytes((count * 1_000) / Math.max(Duration.toMillis(span), 0.001))}/s`

/**
 * The duration and rate of a transfer: `in 1.20 s, 71.3 MB/s`. Zero bytes have no rate.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const took = (count: number, span: Duration.Duration): string =>
  count === 0 ? `in ${duration(span)}` : `in ${duration(span)}, ${throughput(count, span)}`

/**
 * The SHA-256 as 64 lowercase hexadecimal digits.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex")

/** The longest payload that is printed as text, in bytes; a longer one is summarised. */
const longestPayload = 16 * 1024

// A control character other than tab, line feed or carriage return, which text does not contain.
const binaryControl = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/u

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/**
 * The text in a payload; none when it is not UTF-8, or has control characters.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const asText = (payload: Uint8Array): Option.Option<string> => {
  try {
    const text = utf8.decode(payload)
    return binaryControl.test(text) ? Option.none() : Option.some(text)
  } catch {
    return Option.none()
  }
}

/**
 * A message on one line: its text, cut after 2,000 characters, or its length and SHA-256 when it is binary or longer than
 * 16 KiB.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const message = (payload: Uint8Array): string => {
  const text = payload.length <= longestPayload ? asText(payload) : Option.none()
  return Option.isSome(text) ? printable(text.value) : `[${bytes(payload.length)}, sha256 ${sha256(payload)}]`
}

/**
 * A peer at an address, in full: the text by which it can be dialled, such as `ID@127.0.0.1:4433`.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const peer = (peerId: PeerId, address: NetAddress.InetAddress): string => `${peerId}@${address}`

/**
 * The lines that name the addresses at which the local network reaches an endpoint. For a wildcard address they are
 * those of the interfaces.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const localAddresses = (endpoint: {
  readonly localAddresses: ReadonlyArray<NetAddress.InetAddress>
}): ReadonlyArray<string> => endpoint.localAddresses.map((address) => `local ${address}`)

/**
 * The public address of an endpoint, and how it is known.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const publicAddress = (
  endpoint: {
    readonly publicAddress: NetAddress.InetAddress
    readonly bootstrapContact: Option.Option<PeerAddress>
    readonly portMapping: Option.Option<unknown>
  },
  options: { readonly contacts: ReadonlyArray<PeerAddress>; readonly external: boolean }
): string => {
  const why = Option.match(endpoint.bootstrapContact, {
    onSome: (contact) => `verified by ${contact}`,
    onNone: () => (options.contacts.length > 0 ? "not verified: no contact answered" : "not verified: no contact given")
  })
  const source = options.external ? "set by you, " : Option.isSome(endpoint.portMapping) ? "mapped, " : ""
  return `public ${endpoint.publicAddress} (${source}${why})`
}
