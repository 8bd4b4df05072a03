/**
 * Reads an address from text, and explains what is wrong with a malformed one.
 */
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import type { NetworkInterface } from "../Transport.ts"

/** Matches an IPv6 address whose zone is a name (RFC 4007): host, zone, and the text after the bracket. */
const namedZone = /^\[([^\]%]*)%(?!\d+\])([^\]%\s]+)\](.*)$/su

/**
 * Reads an IP address and a port in the canonical form, or returns what is wrong with the text. The name of an interface
 * becomes its scope id.
 */
export const parseInetAddress = (
  input: string,
  interfaces: () => ReadonlyArray<NetworkInterface>
): Result.Result<NetAddress.InetAddress, string> => {
  const [, host, zone, rest] = namedZone.exec(input) ?? []
  // A scope id of 0 stands in for an unknown interface, so that other mistakes in the text are reported first.
  const scopeId = zone === undefined ? undefined : (scopeIdOf(interfaces, zone) ?? 0)
  const text = zone === undefined ? input : `[${host}%${scopeId}]${rest}`
  const address = NetAddress.inetAddressFromString(text)
  if (Result.isFailure(address)) return Result.fail(explainMalformed(text))
  if (scopeId === 0) return Result.fail(`this machine has no interface ${shortened(zone ?? "")} with IPv6`)
  return Result.succeed(NetAddress.toCanonical(address.success))
}

/** Callers without types may pass anything in place of `interfaces`: then there are none. */
const scopeIdOf = (interfaces: () => ReadonlyArray<NetworkInterface>, zone: string): number | undefined => {
  try {
    return interfaces().find(({ name, scopeId }) => name === zone && scopeId > 0)?.scopeId
  } catch {
    return undefined
  }
}

/** Shortens what an error shows of a text. */
export const shortened = (text: string): string => (text.length > 80 ? `${text.slice(0, 80)}…` : text)

/** Matches the scheme of a URL. */
export const scheme = /^[a-z][a-z0-9+.-]*:\/\//iu

/** Explains why `NetAddress.inetAddressFromString` rejects a text. */
export const explainMalformed = (text: string): string => {
  if (text.trim() === "") return "it is empty"
  if (/\s/u.test(text)) return "there is white space in it"
  const prefix = scheme.exec(text)?.[0]
  if (prefix !== undefined) return `leave ${shortened(prefix)} away`
  return text.startsWith("[") ? explainBracketed(text) : explainPlain(text)
}

const explainBracketed = (text: string): string => {
  const end = text.indexOf("]")
  if (end === -1) return "the closing bracket is missing"
  const rest = text.slice(end + 1)
  if (rest !== "" && !rest.startsWith(":")) return "a colon and the port come after the bracket"
  const host = text.slice(1, end)
  const percent = host.indexOf("%")
  const ip = percent === -1 ? host : host.slice(0, percent)
  if (isIpv4(ip)) return "only IPv6 addresses have brackets"
  if (ip === "") return "the IP address is missing"
  if (!isIpv6(ip)) return `${shortened(ip)} is no IPv6 address`
  if (percent === host.length - 1) return "the zone after % is missing"
  return explainPort(rest.slice(1)) ?? `${shortened(host.slice(percent + 1))} is no zone`
}

const explainPlain = (text: string): string => {
  const first = text.indexOf(":")
  const last = text.lastIndexOf(":")
  if (last !== first) {
    return isIpv6(withoutZone(text)) || isIpv6(withoutZone(text.slice(0, last)))
      ? "an IPv6 address has brackets, and the port comes after them"
      : "there are too many colons"
  }
  const host = last === -1 ? text : text.slice(0, last)
  if (host === "") return "the IP address is missing"
  if (host.includes("%")) return "only IPv6 addresses have zones"
  if (!isIpv4(host))
    return /^[\d.]+$/u.test(host) ? `${shortened(host)} is no IPv4 address` : `${shortened(host)} is no IP address`
  return explainPort(last === -1 ? "" : text.slice(last + 1)) ?? "it is none"
}

/** Explains why a text is no port. Returns undefined when it is one, 0 included. */
export const explainPort = (port: string): string | undefined => {
  if (port === "") return "the port is missing"
  if (!/^\d+$/u.test(port)) return `the port ${shortened(port)} is no number`
  if (Number(port) > 65_535) return `the port ${shortened(port)} is more than 65535`
  return port.length > 1 && port.startsWith("0") ? `the port ${shortened(port)} begins with 0` : undefined
}

const withoutZone = (text: string): string => text.replace(/%.*$/su, "")

const isIpv4 = (text: string): boolean => Result.isSuccess(NetAddress.ipv4FromString(text))

const isIpv6 = (text: string): boolean => Result.isSuccess(NetAddress.ipv6FromString(text))
