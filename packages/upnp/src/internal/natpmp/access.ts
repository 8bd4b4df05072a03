/** How the gateway is found, and how sockets to it are opened. */
import { show } from "@qp2p/core/InvalidArgument"
import { type PortMapperError, PortMapperUnsupported } from "@qp2p/core/PortMapperError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import * as client from "./client.ts"
import * as finder from "./finder.ts"
import type { InternalOptions } from "./options.ts"

/** The port of PCP and NAT-PMP servers (RFC 6886, section 3; RFC 6887, section 19.5). */
const gatewayPort = 5351

const defaultRetryInterval = Duration.millis(250)

/** The address of the gateway: the one that the options name, or the gateway of the default route. */
export const locate = (options: InternalOptions): Effect.Effect<NetAddress.InetAddressV4, PortMapperError> => {
  const find = options.find ?? Effect.provide(finder.find(process.platform), finder.layerNode)
  const address: Effect.Effect<NetAddress.Ipv4Address, PortMapperError> =
    options.gateway === undefined ? find : given(options.gateway)
  return Effect.flatMap(address, (address) =>
    Effect.orDie(Effect.fromResult(NetAddress.inetAddressV4(address, options.port ?? gatewayPort)))
  )
}

const given = (gateway: NetAddress.Ipv4AddressInput): Effect.Effect<NetAddress.Ipv4Address, PortMapperUnsupported> =>
  Effect.mapError(
    Effect.fromResult(parsed(gateway)),
    () =>
      new PortMapperUnsupported({
        detail: `not the IPv4 address of a gateway: ${typeof gateway === "string" ? gateway : show(gateway)}`
      })
  )

/** Effect's parser reads properties of its input, which can throw for values from callers without types. */
const parsed = (gateway: NetAddress.Ipv4AddressInput) => {
  try {
    return NetAddress.ipv4FromInput(gateway)
  } catch {
    return Result.fail(undefined)
  }
}

/**
 * Opens a conversation with a gateway from the address `local`. The unspecified address stands for that of the route.
 */
export type Converse = <A, E>(
  gateway: NetAddress.InetAddressV4,
  local: NetAddress.Ipv4Address,
  timeout: Duration.Input,
  use: (conversation: client.Conversation) => Effect.Effect<A, E>
) => Effect.Effect<A, E | client.ConversationError>

/** Returns the function that opens a conversation with a gateway, with the socket and the pauses of `options`. */
export const converse = (options: InternalOptions): Converse => {
  const openSocket = options.openSocket ?? client.openNodeSocket
  const retryInterval = options.retryInterval ?? defaultRetryInterval
  return (gateway, local, timeout, use) => client.converse({ gateway, local, timeout, retryInterval, openSocket }, use)
}
