/**
 * Resolves the peers that operations are called with, with a cache: programs use the same peers again and again, and parsing
 * would dominate a message's cost.
 */
import type * as Host from "effect/net/Host"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { InvalidAddress } from "../../ConnectionError.ts"
import type { PeerKey } from "../../ConnectionPool.ts"
import * as PeerAddress from "../../PeerAddress.ts"
import type { PeerId } from "../../PeerId.ts"
import type { NetworkInterface } from "../../Transport.ts"
import * as address from "../address.ts"

/** An address as it is dialled, or a name and a port. */
export type TargetAddress = NetAddress.InetAddress | Host.HostPort

/** A peer that an operation concerns. */
export interface Target {
  /** The key that the peer must show. Without it, the peer is the one that answers at its address. */
  readonly peerId: PeerId | undefined
  /** The addresses at which to dial the peer, in this order. */
  readonly addresses: ReadonlyArray<TargetAddress>
  /** What the pool knows the peer by. Undefined for a name without an id, which is resolved at each use. */
  readonly key: PeerKey | undefined
}

const parsed = new Map<string, Target>()
const maxParsed = 4_096

const converted = new WeakMap<object, Target>()

/** Matches a zone that may be the name of an interface, whose scope id may change: such text is not cached. */
const mayNameInterface = /%(?!\d+\])/u

/** Resolves a peer. Callers without types may pass any value; the error describes it. */
export const resolve = (
  input: PeerAddress.Input,
  interfaces?: () => ReadonlyArray<NetworkInterface>
): Result.Result<Target, InvalidAddress> => {
  if (typeof input === "string") return fromText(input, interfaces)
  const known = typeof input === "object" && input !== null ? converted.get(input) : undefined
  if (known !== undefined) return Result.succeed(known)
  const target = PeerAddress.isPeerAddress(input) ? Result.succeed(ofPeer(input)) : fromOther(input, interfaces)
  if (Result.isSuccess(target)) converted.set(input, target.success)
  return target
}

const fromOther = (
  input: NetAddress.InetAddress,
  interfaces: (() => ReadonlyArray<NetworkInterface>) | undefined
): Result.Result<Target, InvalidAddress> => {
  const found = address.resolve(input, interfaces)
  // Its error says what may stand for a peer.
  return Result.isFailure(found)
    ? Result.map(PeerAddress.fromInput(input, interfaces), ofPeer)
    : Result.map(found, ofAddress)
}

const fromText = (
  input: string,
  interfaces: (() => ReadonlyArray<NetworkInterface>) | undefined
): Result.Result<Target, InvalidAddress> => {
  const known = parsed.get(input)
  if (known !== undefined) return Result.succeed(known)
  const target = Result.map(PeerAddress.fromString(input, interfaces), ofPeer)
  if (Result.isFailure(target) || mayNameInterface.test(input)) return target
  if (parsed.size >= maxParsed) parsed.clear()
  parsed.set(input, target.success)
  return target
}

/** The target of an address: the peer that answers there. */
export const ofAddress = (peer: NetAddress.InetAddress): Target => ({ peerId: undefined, addresses: [peer], key: peer })

const ofPeer = (peer: PeerAddress.PeerAddress): Target => {
  const peerId = Option.getOrUndefined(peer.peerId)
  const addresses = peer.addresses.map((each) =>
    Option.getOrElse<TargetAddress, TargetAddress>(PeerAddress.toInetAddress(each), () => each)
  )
  const [first] = addresses
  return { peerId, addresses, key: peerId ?? (NetAddress.isInetAddress(first) ? first : undefined) }
}
