/**
 * Addresses as callers write them.
 */
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import * as Address from "../Address.ts"
import { InvalidAddress } from "../ConnectionError.ts"
import type { NetworkInterface } from "../Transport.ts"
import { show } from "./arguments.ts"

/** Texts parsed before: programs keep naming the same peers, and parsing costs more than a message should. */
const parsed = new Map<string, NetAddress.InetAddress>()
const maxParsed = 4_096

/** What stands for the name of an interface may be another number tomorrow. */
const mayNameInterface = /%(?!\d+\])/u

/** What was given may be anything: callers without types are told what it was. */
const canonical = (input: NetAddress.InetAddress): Result.Result<NetAddress.InetAddress, InvalidAddress> => {
  try {
    if (NetAddress.isInetAddress(input)) return Result.succeed(NetAddress.toCanonical(input))
  } catch {
    // An object whose own code fails is no address either.
  }
  return Result.fail(new InvalidAddress({ input: show(input), detail: expected }))
}

const expected = 'an address is text such as "127.0.0.1:4433", or an InetAddress'

/** An IPv4-mapped IPv6 address becomes the IPv4 address that it stands for, so that a peer has one name only. */
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
