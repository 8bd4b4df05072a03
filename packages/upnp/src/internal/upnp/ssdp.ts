/**
 * Parses answers to searches (SSDP) leniently: header names in any case, lines that end in LF only, blanks anywhere,
 * and types of any version.
 */
import type { Ssdp } from "nat-upnp"

/** A device that answered the search. */
export interface Found {
  readonly location: string
  /** The address that the answer came from. */
  readonly responder?: string | undefined
  /** The local address on which the answer arrived. */
  readonly localAddress: string
  /** Whether the answer does not identify a gateway. Televisions answer so, and some gateways do. */
  readonly isUnidentified?: boolean | undefined
}

/** The maximum length of an answer that is parsed, in characters; a datagram may have 64 KiB. */
const maxLength = 2048

/** Receives the packets of nat-upnp's sockets in place of nat-upnp, until the returned function is called. */
export const listen = (ssdp: Ssdp, take: (answer: Found) => void): (() => void) => {
  // nat-upnp adds a listener for each search, which never gets an answer here.
  ssdp.setMaxListeners(0)
  ssdp.parseResponse = (response, localAddress, remote) => {
    const answer = parse(response, localAddress, remote?.address)
    if (answer !== undefined) take(answer)
  }
  return () => {
    ssdp.parseResponse = ignore
  }
}

/** Discards packets: nat-upnp's own header pattern takes quadratic time in the length of a line. */
export const ignore = () => {}

/** The types in an answer that identify a gateway, or a part of one. */
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
  const isUnidentified = !["st", "nt", "usn"].some((name) => gateway.test(headers.get(name) ?? ""))
  return { location, localAddress, responder, isUnidentified }
}
