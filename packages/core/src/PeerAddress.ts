/**
 * A peer as it is written down: its id, the addresses where it may be found, or both.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import * as Inspectable from "effect/Inspectable"
import * as Host from "effect/net/Host"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Address from "./Address.ts"
import { InvalidAddress } from "./ConnectionError.ts"
import { optional, problemOf, formatProblem, check, list, show } from "./internal/arguments.ts"
import * as text from "./internal/identity/peerAddressText.ts"
import type { PeerId } from "./PeerId.ts"
import type { NetworkInterface } from "./Transport.ts"

/**
 * The text with which the detail of every `InvalidAddress` about the malformed text of a peer begins.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const expected = `${Address.expected}, ID@host:port or ID`

/**
 * The most addresses of one peer.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const maxAddresses = text.maxAddresses

/**
 * The most characters of the text of one peer. The text of every `PeerAddress` has fewer.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const maxLength = text.maxLength

/**
 * The most peers of a list that is read from text.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const maxPeers = text.maxPeers

/** Makes a peer of parts that are checked. */
let construct: (parts: text.Parts) => PeerAddress

let isInstance: (value: unknown) => value is PeerAddress

/**
 * A peer: an id with up to 16 addresses, or one address without an id, which is the peer that answers there.
 *
 * Its text is what `fromString` reads: `ID@host:port`, with further addresses after commas, `ID`, or `host:port`. Two are equal
 * if their texts are. `make`, `fromString` and `fromInput` make one.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export class PeerAddress implements Equal.Equal, Inspectable.Inspectable {
  static {
    construct = (parts) => new PeerAddress(parts)
    isInstance = (value): value is PeerAddress => typeof value === "object" && value !== null && #text in value
  }

  /** The id. Without one, the peer is the one that answers at the address. */
  readonly peerId: Option.Option<PeerId>
  /**
   * Where the peer may be found, in the order in which to try, each once: up to 16 with an id, and one without. A host is
   * an IP address, an IPv6 address with the number of its zone, or a host name in lower case. The port is never 0.
   */
  readonly addresses: ReadonlyArray<Host.HostPort>
  readonly #text: string

  private constructor({ addresses, peerId }: text.Parts) {
    this.peerId = Option.fromUndefinedOr(peerId)
    this.addresses = Object.freeze([...addresses])
    const hosts = addresses.map(Host.formatHostPort).join(",")
    this.#text = peerId === undefined ? hosts : hosts === "" ? peerId : `${peerId}@${hosts}`
    Object.freeze(this)
  }

  /** Returns the text of the peer, from which `fromString` makes an equal one. */
  toString(): string {
    return this.#text
  }

  /** Returns the text of the peer. */
  toJSON(): string {
    return this.#text
  }

  /** Returns the text of the peer, for Node's `inspect`. */
  [Inspectable.NodeInspectSymbol](): string {
    return this.#text
  }

  /** Compares the texts. */
  [Equal.symbol](that: Equal.Equal): boolean {
    return isInstance(that) && that.#text === this.#text
  }

  /** Hashes the text. */
  [Hash.symbol](): number {
    return Hash.string(this.#text)
  }
}

/**
 * A peer as operations take it: its text, which may be a `PeerId` alone, a `PeerAddress`, or the address of the peer that answers
 * there.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Input = string | PeerAddress | NetAddress.InetAddress

/**
 * Tells whether a value is a `PeerAddress`.
 *
 * @stability unstable
 * @category guards
 * @since 0.1.0
 */
export const isPeerAddress = (value: unknown): value is PeerAddress => isInstance(value)

const noInterfaces = (): ReadonlyArray<NetworkInterface> => []

const invalid = (input: string, problem: string): InvalidAddress =>
  new InvalidAddress({
    input: input.length > maxLength ? text.shortened(input) : input,
    detail: `${expected}; ${problem}`
  })

const wrongType = (input: unknown, detail: string): Result.Result<never, InvalidAddress> =>
  Result.fail(new InvalidAddress({ input: show(input), detail }))

/** What operations take as a peer. */
const inputs =
  'a peer is text such as "127.0.0.1:4433" or "ID@127.0.0.1:4433", a PeerId, a PeerAddress or an InetAddress'

/**
 * Reads one peer from text: `ID@host:port`, further addresses of that peer after commas, `ID` alone, or `host:port` alone.
 *
 * A host is an IP address, IPv6 in brackets, or a host name. A port is 1 to 65535, and never left out, so a text with no colon
 * is no host: 52 characters that are a valid id are an id. A host name that is a valid id, as in `ID:4433`, is refused.
 *
 * Each peer has one text: host names become lower case and ASCII (IDNA), an IPv4-mapped IPv6 address becomes the IPv4
 * address in it, and the name of a zone becomes the scope id that `interfaces` gives it. The dot at the end of a host name
 * stays, since it excludes search domains. An address that is repeated is left out; others stay in their order. Names are
 * not resolved.
 *
 * Fails with `InvalidAddress`, whose detail says what is wrong, also for more than 16 addresses or `maxLength` characters.
 *
 * @stability unstable
 * @category decoding
 * @since 0.1.0
 */
export const fromString = (
  input: string,
  interfaces: () => ReadonlyArray<NetworkInterface> = noInterfaces
): Result.Result<PeerAddress, InvalidAddress> => {
  if (typeof input !== "string") return wrongType(input, expected)
  return Result.mapBoth(text.parsePeer(input, interfaces), {
    onFailure: (problem) => invalid(input, problem),
    onSuccess: construct
  })
}

/**
 * Reads a list of peers from text, as `fromString` reads each. White space separates peers. Without an id, a comma begins
 * another peer; with an id, it begins another address of the same peer. Text with nothing but white space is an empty list.
 * Peers that are repeated stay.
 *
 * Fails with the `InvalidAddress` of the first part that is wrong, also for more than 1,024 peers.
 *
 * @stability unstable
 * @category decoding
 * @since 0.1.0
 */
export const listFromString = (
  input: string,
  interfaces: () => ReadonlyArray<NetworkInterface> = noInterfaces
): Result.Result<ReadonlyArray<PeerAddress>, InvalidAddress> => {
  if (typeof input !== "string") return wrongType(input, expected)
  const texts = text.splitList(input)
  if (Result.isFailure(texts)) return Result.fail(invalid(texts.failure.part, texts.failure.problem))
  const peers: Array<PeerAddress> = []
  for (const each of texts.success) {
    const peer = fromString(each, interfaces)
    if (Result.isFailure(peer)) return Result.fail(peer.failure)
    peers.push(peer.success)
  }
  return Result.succeed(peers)
}

/**
 * Converts what operations take as a peer. A `PeerAddress` is returned as it is. Fails with `InvalidAddress` for text that
 * `fromString` refuses, for an address with port 0, and for any other value.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const fromInput = (
  input: Input,
  interfaces: () => ReadonlyArray<NetworkInterface> = noInterfaces
): Result.Result<PeerAddress, InvalidAddress> => {
  if (typeof input === "string") return fromString(input, interfaces)
  if (isPeerAddress(input)) return Result.succeed(input)
  try {
    if (NetAddress.isInetAddress(input)) return make({ addresses: [input] })
  } catch {
    // A getter of a foreign object may throw: the object is not an address.
  }
  return wrongType(input, inputs)
}

/**
 * The parts of a peer. There is an id, or one address.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The id of the peer. By default, it is that of the peer that answers at the address. */
  readonly peerId?: PeerId | undefined
  /** Where the peer may be found, in the order in which to try: at most 16 with an id, and one without. By default none. */
  readonly addresses?: ReadonlyArray<Host.HostPort | NetAddress.InetAddress | string> | undefined
}

const optionFields = {
  peerId: optional(check("must be a PeerId", text.isPeerId)),
  addresses: optional(list)
}

/**
 * Makes a peer of its parts, which become as `fromString` says. Fails with `InvalidAddress` where that does, and without an
 * id unless there is one address.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options: Options,
  interfaces: () => ReadonlyArray<NetworkInterface> = noInterfaces
): Result.Result<PeerAddress, InvalidAddress> => {
  const problem = problemOf(options, optionFields)
  if (problem !== undefined) {
    return Result.fail(new InvalidAddress({ input: show(options), detail: formatProblem("options", problem) }))
  }
  const { addresses = [], peerId } = options
  if (addresses.length !== 1 && peerId === undefined) {
    return Result.fail(invalid("", `a peer without an id has one address, not ${addresses.length}`))
  }
  const hosts: Array<string> = []
  // No more are looked at than show that there are too many.
  for (const address of addresses.slice(0, maxAddresses + 1)) {
    const host = formatAddress(address)
    if (host === undefined) return wrongType(address, expected)
    hosts.push(host)
  }
  return Result.mapBoth(text.parseAddresses(hosts, interfaces), {
    onFailure: (problem) => invalid(hosts.join(","), problem),
    onSuccess: (parsed) => construct({ peerId, addresses: parsed })
  })
}

const formatAddress = (address: unknown): string | undefined => {
  try {
    if (typeof address === "string") return address
    if (NetAddress.isInetAddress(address)) return NetAddress.formatInet(address)
    return Host.isHostPort(address) ? Host.formatHostPort(address) : undefined
  } catch {
    return undefined
  }
}

/**
 * Returns an address of a peer as one that can be dialled, if its host is an IP address. A host name has to be resolved.
 *
 * @stability unstable
 * @category converting
 * @since 0.1.0
 */
export const toInetAddress = (address: Host.HostPort): Option.Option<NetAddress.InetAddress> => {
  const formatted = formatAddress(address)
  return formatted === undefined ? Option.none() : Result.getSuccess(NetAddress.inetAddressFromString(formatted))
}

/**
 * The schema of a peer as text, which `fromString` reads. It knows no names of interfaces.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const PeerAddressFromString: Schema.Codec<PeerAddress, string> = Schema.String.pipe(
  Schema.decodeTo(Schema.declare(isPeerAddress, { identifier: "PeerAddress" }), {
    decode: SchemaGetter.transformEffect((input: string, options) => {
      const peer = fromString(input)
      return Result.isSuccess(peer)
        ? Effect.succeed(peer.success)
        : Effect.fail(new SchemaIssue.InvalidValue({ message: peer.failure.detail }, input, options))
    }),
    encode: SchemaGetter.transform(String)
  })
)
