/**
 * Resolves the address arguments of callers, with a cache of parsed text.
 */
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import * as Address from "../Address.ts"
import { InvalidAddress } from "../ConnectionError.ts"
import type { NetworkInterface } from "../Transport.ts"
import { show } from "./arguments.ts"

/** The texts parsed so far. Programs use the same peers again and again, and parsing would dominate a message's cost. */
const parsed = new Map<string, NetAddress.InetAddress>()
const maxParsed = 4_096

/** Matches a zone that may be the name of an interface, whose scope id may change: such text is not cached. */
const mayNameInterface = /%(?!\d+\])/u

/** Returns the canonical form of an address. Callers without types may pass any value; the error describes it. */
const canonical = (input: NetAddress.InetAddress): Result.Result<NetAddress.InetAddress, InvalidAddress> => {
  try {
    if (NetAddress.isInetAddress(input)) return Result.succeed(NetAddress.toCanonical(input))
  } catch {
    // A getter of a foreign object may throw: the object is not an address.
  }
  return Result.fail(new InvalidAddress({ input: show(input), detail: expected }))
}

const expected = 'an address is text such as "127.0.0.1:4433", or an InetAddress'

/** Resolves an address argument. An IPv4-mapped IPv6 address becomes the IPv4 address in it, so that a peer has one name. */
export const resolve = (
  input: NetAddress.InetAddress | string,
  interfaces?: () => ReadonlyArray<NetworkInterface>
): Result.Result<NetAddress.InetAddress, InvalidAddress> => {
  if (typeof input !== "string") return canonical(input)
  const known = parsed.get(input)
  if (known !== undefined) return Result.succeed(known)
  const result = Address.fromString(input, interfaces)
  if (Result.isFailure(result) || mayNameInterface.test(input)) return result
  if (parsed.size >= maxParsed) parsed.clear()
  parsed.set(input, result.success)
  return result
}
