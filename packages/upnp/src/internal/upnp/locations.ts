/**
 * The URLs of a gateway's description and services. They never leave the gateway's host: otherwise any device that
 * answers a search could make this process send requests to any host that it can reach.
 */
import type { GatewayProtocolError } from "@qp2p/core/PortMapperError"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import * as http from "./http.ts"
import type { Found } from "./ssdp.ts"

type Urls = readonly [URL, ...ReadonlyArray<URL>]

const httpUrl = (input: string, base?: URL): URL | undefined => {
  const url = URL.canParse(input, base?.href) ? new URL(input, base) : undefined
  return url?.protocol === "http:" ? url : undefined
}

/** Some routers omit the scheme. */
const schemeless = /^\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?:\/|$)/

const withScheme = (text: string): string => (schemeless.test(text) ? `http://${text}` : text)

const notHttp = (input: string) => `not an http URL: ${input.slice(0, 200)}`

/**
 * The URLs at which the description may be read. Some routers name an address of another of their networks, a former
 * address or their loopback address; then the address that the answer came from is tried first.
 */
export const of = ({ location, responder }: Found): Effect.Effect<Urls, GatewayProtocolError> =>
  Effect.suspend(() => {
    const base = responder === undefined ? undefined : httpUrl(`http://${responder}/`)
    const stated = httpUrl(withScheme(location), location.startsWith("/") ? base : undefined)
    if (stated === undefined) return Effect.fail(http.protocolError(location, notHttp(location)))
    if (base === undefined || stated.hostname === base.hostname || !isLiteral(stated.hostname)) {
      return Effect.succeed<Urls>([stated])
    }
    const there = new URL(stated)
    there.hostname = base.hostname
    return Effect.succeed<Urls>(isLoopback(stated.hostname) ? [there] : [there, stated])
  })

const bare = (hostname: string) => hostname.replace(/^\[(.*)\]$/, "$1")

const isLiteral = (hostname: string): boolean => Result.isSuccess(NetAddress.ipFromString(bare(hostname)))

const isLoopback = (hostname: string): boolean =>
  Result.match(NetAddress.ipFromString(bare(hostname)), {
    onFailure: () => false,
    onSuccess: (address) => NetAddress.isLoopback(address) || NetAddress.isUnspecified(address)
  })

/**
 * The URLs that a control URL may stand for: relative to the description's `URLBase`, relative to the description's own
 * URL as UPnP requires, or relative to the root of the host as miniupnpc resolves it. Fails when there is none on the
 * gateway's host.
 */
export const controlUrls = (
  controlUrl: string,
  description: URL,
  base: string | undefined
): Result.Result<Urls, string> => {
  const input = controlUrl.trim()
  const absolute = /^[a-z][a-z\d+.-]*:\/\//i.test(input)
  const bases = absolute
    ? [description]
    : [base === undefined ? undefined : httpUrl(withScheme(base.trim())), description]
  const readings = absolute || input.startsWith("/") ? [input] : [input, `/${input}`]
  const all = readings.flatMap((reading) =>
    bases.flatMap((each) => {
      const url = each === undefined || each.hostname !== description.hostname ? undefined : httpUrl(reading, each)
      return url === undefined ? [] : [url]
    })
  )
  const [first, ...others] = unique(all.filter(({ hostname }) => hostname === description.hostname))
  if (first !== undefined) return Result.succeed([first, ...others])
  const [elsewhere] = all
  return Result.fail(
    elsewhere === undefined ? notHttp(input) : `its control URL is on another host, ${elsewhere.host.slice(0, 200)}`
  )
}

const unique = (urls: ReadonlyArray<URL>): ReadonlyArray<URL> =>
  urls.filter((url, index) => urls.findIndex((other) => other.href === url.href) === index)
