/**
 * How sizes, times and messages look on a terminal.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import { createHash } from "node:crypto"

const units = ["B", "kB", "MB", "GB", "TB", "PB"] as const

/**
 * A number of bytes in decimal units, such as `64.0 MB`. Sizes and rates are counted in the same ones.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const bytes = (count: number): string => {
  let value = count
  let unit = 0
  // What would be rounded to 1000.0 belongs to the next unit.
  while (value >= (unit === 0 ? 1_000 : 999.95) && unit < units.length - 1) {
    value /= 1_000
    unit++
  }
  return unit === 0 ? `${Math.round(value)} B` : `${value.toFixed(1)} ${units[unit]}`
}

const digits = (value: number, decimals: number): string =>
  Number.isInteger(value) ? String(value) : value.toFixed(decimals)

/**
 * A time span with as many digits as are worth reading: `0.42 ms`, `12.3 ms`, `1.20 s`, `30 s`, `2 min 5 s`.
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
 * Bytes over a time span, in the units of `bytes`: `71.3 MB/s`, `5.7 kB/s`.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const throughput = (count: number, span: Duration.Duration): string =>
  `${bytes((count * 1_000) / Math.max(Duration.toMillis(span), 0.001))}/s`

/**
 * How long a transfer took, and its rate: `in 1.20 s, 71.3 MB/s`. No bytes have no rate.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const took = (count: number, span: Duration.Duration): string =>
  count === 0 ? `in ${duration(span)}` : `in ${duration(span)}, ${throughput(count, span)}`

/**
 * SHA-256 as 64 lowercase hexadecimal digits.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex")

// Control characters (C0, DEL, C1), line separators, and those that reverse the direction of what follows.
const unprintable = /[\u0000-\u001f\u007f-\u009f\u061c\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

const shortEscapes: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }

/**
 * Makes every character visible that could move the cursor, change colours or forge another line. Texts from peers go
 * through this before they reach a terminal.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const visible = (text: string): string =>
  text.replace(
    unprintable,
    (character) => shortEscapes[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

/** A text longer than this is named, not shown: a terminal is no place for a megabyte. */
const longestText = 16 * 1024

// A control character other than tab, line feed or carriage return: nobody types these.
const binaryControl = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/u

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/**
 * The text in a payload, or nothing when it is not text: not UTF-8, or with control characters.
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
 * A message on one line: its text, or its length and SHA-256 when it is binary or too long to show.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const message = (payload: Uint8Array): string => {
  const text = payload.length <= longestText ? asText(payload) : Option.none()
  return Option.isSome(text) ? visible(text.value) : `[${bytes(payload.length)}, sha256 ${sha256(payload)}]`
}

/**
 * The lines that say where an endpoint is reached from near by: a wildcard address is nobody's, so those are the
 * interfaces'.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const localAddresses = (endpoint: {
  readonly localAddresses: ReadonlyArray<NetAddress.InetAddress>
}): ReadonlyArray<string> => endpoint.localAddresses.map((address) => `local ${address}`)

/**
 * The public address of an endpoint, and why it can be believed or not.
 *
 * @stability unstable
 * @category formatting
 * @since 0.1.0
 */
export const publicAddress = (
  endpoint: {
    readonly publicAddress: NetAddress.InetAddress
    readonly bootstrapContact: Option.Option<NetAddress.InetAddress>
    readonly portMapping: Option.Option<unknown>
  },
  options: { readonly contacts: ReadonlyArray<NetAddress.InetAddress>; readonly external: boolean }
): string => {
  const why = Option.match(endpoint.bootstrapContact, {
    onSome: (contact) => `verified by ${contact}`,
    onNone: () => (options.contacts.length > 0 ? "not verified: no contact answered" : "not verified: no contact given")
  })
  const source = options.external ? "set by you, " : Option.isSome(endpoint.portMapping) ? "mapped, " : ""
  return `public ${endpoint.publicAddress} (${source}${why})`
}
