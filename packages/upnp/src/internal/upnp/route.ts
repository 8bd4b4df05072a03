/** The local address of the route to a gateway. */
import { PortMapperUnsupported } from "@qp2p/core/PortMapperError"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as exclusivePort from "../exclusivePort.ts"
import type { Found } from "./ssdp.ts"

/** The discard port (RFC 863). No packet is sent to it. */
const discardPort = 9

/**
 * The local address of the route to the gateway at `hostname`. A host with several networks may receive the answer to
 * its search on a network that its other packets do not take.
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

/** Connecting a UDP socket selects its local address, without a packet being sent. */
const addressTo = Effect.fnUntraced(function* (host: string) {
  const gateway = yield* Effect.fromResult(
    Result.flatMap(NetAddress.ipv4FromString(host), (address) => NetAddress.inetAddressV4(address, discardPort))
  )
  const socket = yield* exclusivePort.connect({ local: NetAddress.ipv4Unspecified, peer: gateway, receiveQueue: 1 })
  const { address } = (yield* socket.reader).address
  if (!NetAddress.isIpv4Address(address) || NetAddress.isUnspecified(address)) return yield* Effect.fail("no route")
  return address
})
