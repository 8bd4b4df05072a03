import { PortMapperUnsupported } from "@qp2p/core/PortMapperError"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as exclusively from "../exclusively.ts"
import type { Found } from "./search.ts"

/** No packet is sent there. */
const discardPort = 9

/**
 * The local address on the way to a gateway, which is asked at `hostname`. A host with several networks hears the answer
 * to its search on one of them, and that need not be the one that its packets take.
 */
export const localAddress = Effect.fnUntraced(function* (
  found: Found,
  hostname: string
): Effect.fn.Return<NetAddress.Ipv4Address, PortMapperUnsupported> {
  const onRoute = yield* Effect.option(Effect.scoped(addressTo(hostname)))
  if (Option.isSome(onRoute)) return onRoute.value
  return yield* Effect.mapError(
    Effect.fromResult(NetAddress.ipv4FromString(found.localAddress)),
    () => new PortMapperUnsupported({ detail: `the gateway was found from ${found.localAddress}` })
  )
})

/** A socket that is connected has the address of the route, before anything is sent. */
const addressTo = Effect.fnUntraced(function* (host: string) {
  const gateway = yield* Effect.fromResult(
    Result.flatMap(NetAddress.ipv4FromString(host), (address) => NetAddress.inetAddressV4(address, discardPort))
  )
  const socket = yield* exclusively.connected({ local: NetAddress.ipv4Unspecified, peer: gateway, receiveQueue: 1 })
  const { address } = (yield* socket.reader).address
  if (!NetAddress.isIpv4Address(address) || NetAddress.isUnspecified(address)) return yield* Effect.fail("no route")
  return address
})
