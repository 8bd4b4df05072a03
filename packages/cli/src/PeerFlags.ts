/**
 * Flags and arguments about peers: which peer, the key of this one, and which peers are let in.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Address from "@qp2p/core/Address"
import { InvalidAddress } from "@qp2p/core/ConnectionError"
import * as PeerAddress from "@qp2p/core/PeerAddress"
import * as PeerId from "@qp2p/core/PeerId"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import * as Argument from "effect/cli/Argument"
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as AddressResolver from "effect/net/AddressResolver"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** Addresses may have zones that name interfaces of this machine. */
const { interfaces } = QuicheTransport.make()

/**
 * Reads a peer: `ID@host:port`, with further addresses after commas, `ID`, or `host:port`. A host is an IP address or a name.
 * Fails for text that is none of these, and for an address that cannot be dialled.
 *
 * @stability unstable
 * @category parsing
 * @since 0.1.0
 */
export const parsePeer = (input: string): Result.Result<PeerAddress.PeerAddress, InvalidAddress> =>
  Result.flatMap(PeerAddress.fromString(input.trim(), interfaces), (peer) => {
    for (const address of peer.addresses) {
      const inet = PeerAddress.toInetAddress(address)
      const detail = Option.isSome(inet) ? Address.undiallable(inet.value, interfaces) : undefined
      if (detail !== undefined) return Result.fail(new InvalidAddress({ input, detail }))
    }
    return Result.succeed(peer)
  })

const peerProblem = (input: string): string =>
  Result.match(parsePeer(input), {
    onSuccess: () => "",
    onFailure: ({ detail }) =>
      detail.startsWith(PeerAddress.expected)
        ? `Expected ${PeerAddress.expected.slice("expected ".length)}${detail.slice(PeerAddress.expected.length)}`
        : `Expected another address: ${detail}`
  })

const readPeer = (input: string): Option.Option<PeerAddress.PeerAddress> => Result.getSuccess(parsePeer(input))

/**
 * The argument that names the peer.
 *
 * @stability unstable
 * @category arguments
 * @since 0.1.0
 */
export const peer: Argument.Argument<PeerAddress.PeerAddress> = Argument.String("peer").pipe(
  Argument.withDescription(
    "The peer as ID@host:port, with further addresses after commas, and no other peer is taken; or host:port, for " +
      "whichever peer answers there"
  ),
  Argument.filterMap(readPeer, peerProblem)
)

/**
 * The flag `--contact`: known peers, none by default.
 *
 * @stability unstable
 * @category flags
 * @since 0.1.0
 */
export const contacts: Flag.Flag<ReadonlyArray<PeerAddress.PeerAddress>> = Flag.String("contact").pipe(
  Flag.withMetavar("PEER"),
  Flag.withDescription(
    "A peer to join through, as ID@host:port or host:port; may be given several times, the first one to answer wins " +
      "(default: none)"
  ),
  Flag.filterMap(readPeer, peerProblem),
  Flag.atLeast(0)
)

/**
 * The flag `--identity`: the file with the key of this peer.
 *
 * @stability unstable
 * @category flags
 * @since 0.1.0
 */
export const identity: Flag.Flag<Option.Option<string>> = Flag.String("identity").pipe(
  Flag.withMetavar("FILE"),
  Flag.withDescription(
    "File with the key that this peer is known by; made when there is none (default: a new key at each start)"
  ),
  Flag.filter(
    (path) => path !== "" && !path.includes("\0"),
    () => "Expected the path of a file"
  ),
  Flag.optional
)

const decodeId = Schema.decodeUnknownResult(PeerId.PeerId)

/**
 * Reads the id of a peer. Fails with what is wrong with the text.
 *
 * @stability unstable
 * @category parsing
 * @since 0.1.0
 */
export const parseId = (input: string): Result.Result<PeerId.PeerId, string> => {
  const id = input.trim()
  if (/[\s,]/u.test(id)) return Result.fail("give the flag once for each id")
  const at = id.indexOf("@")
  if (at === -1) return Result.mapError(decodeId(id), ({ message }) => message)
  return Result.isSuccess(decodeId(id.slice(0, at)))
    ? Result.fail(`give the id alone, without ${id.slice(at)}`)
    : Result.fail("an id has no @")
}

/**
 * The flag `--allow`: the peers that are let in, all of them by default.
 *
 * @stability unstable
 * @category flags
 * @since 0.1.0
 */
export const allow: Flag.Flag<ReadonlyArray<PeerId.PeerId>> = Flag.String("allow").pipe(
  Flag.withMetavar("ID"),
  Flag.withDescription(
    "Have connections with this peer, and with no others but those that are given likewise; may be given several times " +
      "(default: every peer)"
  ),
  Flag.filterMap(
    (input) => Result.getSuccess(parseId(input)),
    (input) =>
      Result.match(parseId(input), {
        onSuccess: () => "",
        onFailure: (detail) => `Expected the id of a peer; ${detail}`
      })
  ),
  Flag.atLeast(0)
)

/**
 * Fails when `--allow` would refuse a peer that `--contact` names by its id.
 *
 * @stability unstable
 * @category validation
 * @since 0.1.0
 */
export const validate = (input: {
  readonly allow: ReadonlyArray<PeerId.PeerId>
  readonly contacts: ReadonlyArray<PeerAddress.PeerAddress>
}): Effect.Effect<void, CliError.ValidationError> => {
  const refused = input.contacts.find(({ peerId }) => Option.exists(peerId, (id) => !input.allow.includes(id)))
  return input.allow.length === 0 || refused === undefined
    ? Effect.void
    : Effect.fail(
        new CliError.ValidationError({ message: `--allow would refuse the contact ${refused}: give its id there, too` })
      )
}

/**
 * The wildcard address with port 0 from which to dial: in the family of the first address of the peers, and IPv4 when there is
 * none. For a host name it is IPv4, unless the name has IPv6 addresses only.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const anyAddressFor = Effect.fnUntraced(function* (
  peers: ReadonlyArray<PeerAddress.PeerAddress>
): Effect.fn.Return<NetAddress.InetAddress, never, AddressResolver.AddressResolver> {
  const first = peers.flatMap(({ addresses }) => addresses)[0]
  if (first === undefined) return anyIpv4
  const inet = PeerAddress.toInetAddress(first)
  if (Option.isSome(inet)) return NetAddress.isInetAddressV6(inet.value) ? anyIpv6 : anyIpv4
  const resolver = yield* AddressResolver.AddressResolver
  // The endpoint resolves the name again, and reports why it cannot.
  const found = yield* Effect.orElseSucceed(resolver.resolve(first), () => [])
  return found.length > 0 && found.every(NetAddress.isInetAddressV6) ? anyIpv6 : anyIpv4
})

const anyIpv4 = NetAddress.inetAddressFromStringUnsafe("0.0.0.0:0")
const anyIpv6 = NetAddress.inetAddressFromStringUnsafe("[::]:0")
