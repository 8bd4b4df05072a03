/**
 * Opens the UDP socket of a transport: Node's, or one that the program makes.
 */
import { BindError } from "@qp2p/core/EndpointError"
import { effect, ofFields, ofValue } from "@qp2p/core/InvalidArgument"
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import * as effectUdp from "./effectUdp.ts"
import * as nodeUdp from "./nodeUdp.ts"
import type { UdpSocket } from "./udpSocket.ts"

/** Makes the UDP socket for an address, in place of Node's. */
export type OpenSocket = (address: NetAddress.InetAddress) => Effect.Effect<DatagramSocket.DatagramSocket>

/** Opens a socket with `openSocket`, or Node's without it. */
export const openUdp = (
  address: NetAddress.InetAddress,
  openSocket: OpenSocket | undefined
): Effect.Effect<UdpSocket, BindError, Scope.Scope> =>
  openSocket === undefined
    ? nodeUdp.open(address)
    : Effect.flatMap(openedBy(openSocket, address), (datagrams) => effectUdp.open(address, datagrams))

/** Calls `openSocket`, which may be from a program without types. */
const openedBy = (openSocket: OpenSocket, address: NetAddress.InetAddress) =>
  Effect.suspend(() => {
    const refused = (detail: string, cause: unknown) => Effect.fail(new BindError({ address, detail, cause }))
    let made: ReturnType<OpenSocket>
    try {
      made = openSocket(address)
    } catch (cause) {
      return refused("openSocket threw", cause)
    }
    const wrong = ofValue("what openSocket returns", made, effect)
    if (wrong !== undefined) return refused(wrong.message, wrong)
    return Effect.flatMap(made, (socket) => {
      const wrong = ofFields("the socket of openSocket", socket, { reader: effect, writer: effect })
      return wrong === undefined ? Effect.succeed(socket) : refused(wrong.message, wrong)
    })
  })
