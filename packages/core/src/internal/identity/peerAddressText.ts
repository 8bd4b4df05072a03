/**
 * Reads peers from text: an id, addresses, or both, and lists of peers. What is wrong with a text is returned as text.
 */
import * as Host from "effect/net/Host"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import type { PeerId } from "../../PeerId.ts"
import type { NetworkInterface } from "../../Transport.ts"
import { explainMalformed, explainPort, parseInetAddress, scheme, shortened } from "../addressText.ts"
import { problemOfPeerId } from "./peerKey.ts"

export { shortened } from "../addressText.ts"

/** The parts of a peer: at least one of them is there, and without an id there is one address. */
export interface Parts {
  readonly peerId: PeerId | undefined
  readonly addresses: ReadonlyArray<Host.HostPort>
}

/** The most addresses of one peer. */
export const maxAddresses = 16

/** The most characters of one peer: an id and `@`, and each address as a name of 254 characters, a port and a comma. */
export const maxLength = 53 + maxAddresses * 261

/** The most peers of a list. */
export const maxPeers = 1_024

/** The most characters of a list. */
export const maxListLength = maxPeers * (maxLength + 1)

/** Looks up the interfaces of this machine, for zones that are names. */
export type Interfaces = () => ReadonlyArray<NetworkInterface>

/** Tells whether a value is the id of a peer. */
export const isPeerId = (value: unknown): value is PeerId =>
  typeof value === "string" && problemOfPeerId(value) === undefined

/** Matches text that can only be an id: a host name would have a port. */
const looksLikePeerId = /^[a-z0-9]{40,}$/iu

const tooLong = `it has more than ${maxLength} characters`
const missing = "an address is missing"

/** Reads one peer. */
export const parsePeer = (text: string, interfaces: Interfaces): Result.Result<Parts, string> => {
  if (text.length > maxLength) return Result.fail(tooLong)
  if (text.trim() === "") return Result.fail("it is empty")
  if (/\s/u.test(text)) return Result.fail("there is white space in it")
  const prefix = scheme.exec(text)?.[0]
  if (prefix !== undefined) return Result.fail(`leave ${shortened(prefix)} away`)
  const at = text.indexOf("@")
  return at === -1 ? parseWithoutAt(text, interfaces) : parseWithId(text.slice(0, at), text.slice(at + 1), interfaces)
}

const parseWithoutAt = (text: string, interfaces: Interfaces): Result.Result<Parts, string> => {
  if (isPeerId(text)) return Result.succeed({ peerId: text, addresses: [] })
  const comma = text.indexOf(",")
  if (comma !== -1) {
    return Result.fail(
      isPeerId(text.slice(0, comma))
        ? "@ and addresses follow an id, not a comma"
        : "only a peer with an id has several addresses"
    )
  }
  const problem = looksLikePeerId.test(text) ? problemOfPeerId(text) : undefined
  if (problem !== undefined) return Result.fail(problem)
  return Result.map(parseAddress(text, interfaces), (address) => ({ peerId: undefined, addresses: [address] }))
}

const parseWithId = (id: string, addresses: string, interfaces: Interfaces): Result.Result<Parts, string> => {
  if (addresses.includes("@")) return Result.fail("there is more than one @")
  if (id === "") return Result.fail("the id before @ is missing")
  if (!isPeerId(id)) return Result.fail(problemOfPeerId(id)!)
  if (addresses === "") return Result.fail("the address after @ is missing")
  return Result.map(parseAddresses(addresses.split(","), interfaces), (parsed) => ({ peerId: id, addresses: parsed }))
}

/** Reads addresses, and leaves out those that are there already. */
export const parseAddresses = (
  texts: ReadonlyArray<string>,
  interfaces: Interfaces
): Result.Result<ReadonlyArray<Host.HostPort>, string> => {
  if (texts.length > maxAddresses) return Result.fail(`it has more than ${maxAddresses} addresses`)
  const parsed = new Map<string, Host.HostPort>()
  for (const text of texts) {
    const address = text === "" ? Result.fail(missing) : parseAddress(text, interfaces)
    if (Result.isFailure(address)) {
      return Result.fail(texts.length === 1 || text === "" ? address.failure : `${shortened(text)}: ${address.failure}`)
    }
    const key = Host.formatHostPort(address.success)
    if (!parsed.has(key)) parsed.set(key, address.success)
  }
  return Result.succeed([...parsed.values()])
}

/** Reads one address: an IP address or a host name, and a port that can be dialled. */
const parseAddress = (text: string, interfaces: Interfaces): Result.Result<Host.HostPort, string> => {
  if (text.length > maxLength) return Result.fail(tooLong)
  const colon = text.lastIndexOf(":")
  const host = colon === -1 ? text : text.slice(0, colon)
  if (colon === 0) return Result.fail("the host is missing")
  const isNumeric = /^\[|^\.*\d[\d.]*$/u.test(host)
  if (!isNumeric && /[:%]/u.test(host)) return Result.fail(explainMalformed(text))
  return Result.flatMap(
    isNumeric
      ? Result.map(parseInetAddress(text, interfaces), hostPortOf)
      : parseNamed(host, colon === -1 ? "" : text.slice(colon + 1)),
    (address) => (address.port === 0 ? Result.fail("port 0 cannot be dialled") : Result.succeed(address))
  )
}

/** Matches a character that no host name has, in whatever script it is written. */
const notInName = /[^\p{L}\p{M}\p{N}._-]/u

const parseNamed = (host: string, port: string): Result.Result<Host.HostPort, string> => {
  const failed = (problem: string) => Result.fail(`${shortened(host)} is no host name: ${problem}`)
  const wrong = notInName.exec(host)?.[0]
  if (wrong !== undefined) return failed(`it has ${JSON.stringify(wrong)}`)
  const name = Host.domainNameFromString(host)
  if (Result.isFailure(name)) return failed(name.failure.message)
  if (name.success === ".") return failed("it is the root of all names")
  if (isPeerId(name.success)) return Result.fail("an id is no host: @ and addresses follow it")
  const problem = explainPort(port)
  if (problem !== undefined) return Result.fail(problem)
  return Result.succeed(Host.hostPortUnsafe(name.success, Number(port)))
}

/** Converts a canonical address. Its scope id, if any, is the zone of the host. */
const hostPortOf = (inet: NetAddress.InetAddress): Host.HostPort =>
  Host.hostPortUnsafe(
    NetAddress.isInetAddressV6(inet) && inet.scopeId !== 0
      ? (NetAddress.formatHost(inet) as NetAddress.ScopedIpv6Literal)
      : inet.address,
    inet.port
  )

/** Splits a list into the texts of its peers, or returns a part with what is wrong with it. */
export const splitList = (
  text: string
): Result.Result<ReadonlyArray<string>, { readonly part: string; readonly problem: string }> => {
  if (text.length > maxListLength) {
    return Result.fail({ part: text, problem: `it has more than ${maxListLength} characters` })
  }
  const peers: Array<string> = []
  for (const part of text.split(/\s+/u)) {
    if (part === "") continue
    for (const peer of splitPart(part)) {
      if (peer === "") return Result.fail({ part, problem: missing })
      if (peers.length === maxPeers) return Result.fail({ part, problem: `there are more than ${maxPeers} peers` })
      peers.push(peer)
    }
  }
  return Result.succeed(peers)
}

/**
 * Splits text without white space. A comma ends a peer that has no id. With an id, also with one alone, what follows a comma
 * is never another peer: an address without an id would be the peer that answers there.
 */
const splitPart = (part: string): ReadonlyArray<string> => {
  const peers: Array<string> = []
  let start = 0
  for (;;) {
    const comma = part.indexOf(",", start)
    const peer = comma === -1 ? part.slice(start) : part.slice(start, comma)
    if (comma === -1 || peer.includes("@") || isPeerId(peer)) return [...peers, part.slice(start)]
    peers.push(peer)
    start = comma + 1
  }
}
