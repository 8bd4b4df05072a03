/**
 * Reads the IPv4 default gateway from the routes that operating systems print. The route with the lowest metric wins,
 * and the first one among equals.
 */
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"

interface Route {
  readonly gateway: NetAddress.Ipv4Address
  readonly metric: number
}

const best = (routes: ReadonlyArray<Route>): Option.Option<NetAddress.Ipv4Address> => {
  let found: Route | undefined
  for (const route of routes) {
    if (NetAddress.isUnspecified(route.gateway)) continue
    if (found === undefined || route.metric < found.metric) found = route
  }
  return Option.map(Option.fromUndefinedOr(found), (route) => route.gateway)
}

const lines = (text: string) => text.split(/\r?\n/)
const columns = (line: string) => line.trim().split(/\s+/)

const flags = { up: 1, gateway: 2 }
const digits = /^\d+$/
const hexWord = /^[0-9A-Fa-f]{8}$/

/** Linux: `/proc/net/route`, whose addresses are 32-bit words in the processor's byte order. */
export const fromLinux = (text: string): Option.Option<NetAddress.Ipv4Address> =>
  best(
    lines(text).flatMap((line) => {
      const [, destination, gateway = "", flag = "", , , metric = "", mask] = columns(line)
      if (destination !== "00000000" || mask !== "00000000") return []
      if (!hexWord.test(gateway) || !digits.test(metric)) return []
      const wanted = flags.up | flags.gateway
      if ((Number.parseInt(flag, 16) & wanted) !== wanted) return []
      const octets = new Uint8Array(Uint32Array.of(Number.parseInt(gateway, 16)).buffer)
      return [{ gateway: NetAddress.ipv4FromBytesUnsafe(octets), metric: Number(metric) }]
    })
  )

/**
 * Reads the output of `route -n get default` on macOS and the BSDs. A route to a tunnel has no gateway, or one that is not an
 * IP address.
 */
export const fromBsd = (text: string): Option.Option<NetAddress.Ipv4Address> =>
  best(
    lines(text).flatMap((line) => {
      const [name, value = ""] = columns(line)
      return name === "gateway:" ? toRoutes(value, 0) : []
    })
  )

/**
 * Windows: `route print -4 0.0.0.0`. Its headings are translated, so routes are recognised by their columns:
 * destination, mask, gateway, interface, metric. Persistent routes have one column less.
 */
export const fromWindows = (text: string): Option.Option<NetAddress.Ipv4Address> =>
  best(
    lines(text).flatMap((line) => {
      const [destination, mask, gateway = "", , metric = "", ...rest] = columns(line)
      if (destination !== "0.0.0.0" || mask !== "0.0.0.0" || rest.length > 0) return []
      if (!digits.test(metric)) return []
      return toRoutes(gateway, Number(metric))
    })
  )

const toRoutes = (gateway: string, metric: number): ReadonlyArray<Route> =>
  Result.match(NetAddress.ipv4FromString(gateway), {
    onFailure: () => [],
    onSuccess: (address) => [{ gateway: address, metric }]
  })
