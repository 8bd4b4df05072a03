/** Places on a network: hosts and their sockets. */
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import { parsed } from "../checks.ts"

/** The address of a socket, with the names of it and of its host in tables. */
export interface Place {
  readonly address: NetAddress.InetAddress
  readonly key: string
  readonly host: string
}

/** The address at which a bound address is reached: for a wildcard address the loopback address of its family. */
export const reachable = (address: NetAddress.InetAddress): NetAddress.InetAddress =>
  NetAddress.isUnspecified(address.address)
    ? NetAddress.inetAddressUnsafe(
        NetAddress.isInetAddressV4(address) ? NetAddress.ipv4Loopback : NetAddress.ipv6Loopback,
        address.port
      )
    : address

/** Makes the place at which a socket with this address is reached. */
export const placeOf = (input: NetAddress.InetAddress): Place => {
  const address = reachable(input)
  return {
    address,
    key: NetAddress.formatInet(address),
    host: NetAddress.formatIp(address.address)
  }
}

/** Makes the place of a socket from an IP address and a port. */
export const placeAt = (ip: NetAddress.IpAddress, port: number): Place =>
  placeOf(NetAddress.inetAddressUnsafe(ip, port))

/** The name of a socket, or of a whole host when there is no port. */
export const nameFrom = (
  input: NetAddress.InetAddressInput | NetAddress.IpAddress
): Result.Result<string, NetAddress.NetAddressError> => {
  if (NetAddress.isIpAddress(input)) return Result.succeed(NetAddress.formatIp(input))
  const socket = Result.map(parsed(NetAddress.inetAddressFromInput, input), (address) => placeOf(address).key)
  if (Result.isSuccess(socket) || typeof input !== "string") return socket
  const host = Result.map(NetAddress.ipFromString(input), NetAddress.formatIp)
  return Result.isSuccess(host) ? host : socket
}

/** Whether the name is this socket's or its host's. */
export const isAt = (place: Place, name: string): boolean => place.key === name || place.host === name
