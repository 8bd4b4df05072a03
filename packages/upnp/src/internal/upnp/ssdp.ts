/**
 * Answers to searches (SSDP), read as tolerant clients do: names of headers in any case, lines that end in LF only, blanks
 * wherever they are, and types of any version.
 */
import type { Ssdp } from "nat-upnp"
import type { Found } from "./search.ts"

/** A datagram may be 64 KiB. */
const maxLength = 2048

/** Listens to what comes to nat-upnp's sockets, instead of nat-upnp, until it is told to stop. */
export const listen = (ssdp: Ssdp, take: (answer: Found) => void): (() => void) => {
  // Each search that nat-upnp sends listens for answers, which it is not given.
  ssdp.setMaxListeners(0)
  ssdp.parseResponse = (response, localAddress, remote) => {
    const answer = parse(response, localAddress, remote?.address)
    if (answer !== undefined) take(answer)
  }
  return () => {
    ssdp.parseResponse = ignore
  }
}

/** Hears nothing: nat-upnp's own pattern for headers takes time in the square of a line's length. */
export const ignore = () => {}

/** What of it says that it is a gateway, or part of one. */
const gateway = /:(?:InternetGatewayDevice|WAN(?:IP|PPP)Connection|WAN(?:Connection)?Device)(?::|$)/i

const parse = (response: string, localAddress: string, responder: string | undefined): Found | undefined => {
  if (response.length > maxLength || !/^\s*(?:HTTP\/[\d.]+\s+200(?!\d)|NOTIFY\s)/i.test(response)) return undefined
  const headers = new Map<string, string>()
  for (const line of response.split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(":")
    const name = line.slice(0, colon).trim().toLowerCase()
    if (colon > 0 && !headers.has(name)) headers.set(name, line.slice(colon + 1).trim())
  }
  const location = headers.get("location")
  if (!location || headers.get("nts")?.toLowerCase() === "ssdp:byebye") return undefined
  const isUnsure = !["st", "nt", "usn"].some((name) => gateway.test(headers.get(name) ?? ""))
  return { location, localAddress, responder, isUnsure }
}
