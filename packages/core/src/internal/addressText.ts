/**
 * Explains what is wrong with a malformed address.
 */
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"

const scheme = /^[a-z][a-z0-9+.-]*:\/\//iu

/** Explains why `NetAddress.inetAddressFromString` rejects a text. */
export const explainMalformed = (text: string): string => {
  if (text.trim() === "") return "it is empty"
  if (/\s/u.test(text)) return "there is white space in it"
  const prefix = scheme.exec(text)?.[0]
  if (prefix !== undefined) return `leave ${prefix} away`
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
  if (!isIpv6(ip)) return `${ip} is no IPv6 address`
  if (percent === host.length - 1) return "the zone after % is missing"
  return explainPort(rest.slice(1)) ?? `${host.slice(percent + 1)} is no zone`
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
  if (!isIpv4(host)) return /^[\d.]+$/u.test(host) ? `${host} is no IPv4 address` : `${host} is no IP address`
  return explainPort(last === -1 ? "" : text.slice(last + 1)) ?? "it is none"
}

const explainPort = (port: string): string | undefined => {
  if (port === "") return "the port is missing"
  if (!/^\d+$/u.test(port)) return `the port ${port} is no number`
  if (Number(port) > 65_535) return `the port ${port} is more than 65535`
  return port.length > 1 && port.startsWith("0") ? `the port ${port} begins with 0` : undefined
}

const withoutZone = (text: string): string => text.replace(/%.*$/su, "")

const isIpv4 = (text: string): boolean => Result.isSuccess(NetAddress.ipv4FromString(text))

const isIpv6 = (text: string): boolean => Result.isSuccess(NetAddress.ipv6FromString(text))
