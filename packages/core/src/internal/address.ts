/**
 * Addresses as callers write them.
 */
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import { InvalidAddress } from "../ConnectionError.ts"

/** Texts parsed before: programs keep naming the same peers, and parsing costs more than a message should. */
const parsed = new Map<string, NetAddress.InetAddress>()
const maxParsed = 4_096

/** An IPv4-mapped IPv6 address becomes the IPv4 address that it stands for, so that a peer has one name only. */
export const resolve = (
  input: NetAddress.InetAddress | string
): Result.Result<NetAddress.InetAddress, InvalidAddress> => {
  if (typeof input !== "string") return Result.succeed(NetAddress.toCanonical(input))
  const known = parsed.get(input)
  if (known !== undefined) return Result.succeed(known)
  const result = NetAddress.inetAddressFromString(input)
  if (Result.isFailure(result)) return Result.fail(new InvalidAddress({ input, reason: result.failure.message }))
  const address = NetAddress.toCanonical(result.success)
  if (parsed.size >= maxParsed) parsed.clear()
  parsed.set(input, address)
  return Result.succeed(address)
}
