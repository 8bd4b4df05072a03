/** Requests and answers over UDP, for PCP and NAT-PMP: retransmission, timeout and the matching of answers. */
import { GatewayProtocolError, GatewayUnreachable, PortMapperTimedOut } from "@qp2p/core/PortMapperError"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as DatagramSocket from "effect/socket/DatagramSocket"
import * as exclusivePort from "../exclusivePort.ts"

/** The addresses of a socket to a gateway, and where its datagrams go. */
export interface SocketOptions {
  readonly gateway: NetAddress.InetAddressV4
  /** The address to send from. The unspecified address stands for that of the route to the gateway. */
  readonly local: NetAddress.Ipv4Address
  /** Receives ICMP errors that the network reports for earlier packets. */
  readonly onError: (error: DatagramSocket.DatagramSocketError) => void
}

/**
 * Opens the socket for one conversation, connected to the gateway. The address of its reader is the one the gateway
 * sees.
 */
export type OpenSocket = (options: SocketOptions) => Effect.Effect<DatagramSocket.DatagramSocket>

/**
 * Opens a connected socket: it has the local address of the route to the gateway, and reports when the port is closed.
 */
export const openNodeSocket: OpenSocket = ({ gateway, local, onError }) =>
  exclusivePort.connect({ local, peer: gateway, receiveQueue, onError })

/** The number of queued answers. One request is in flight at a time, and the gateway answers each transmission once. */
const receiveQueue = 64

/** The transmission with which the fallback request is sent too. */
const fallbackAfter = 3

/** How a packet from the gateway relates to the request in flight. */
export type Reading<A> =
  | { readonly _tag: "Answer"; readonly value: A }
  | { readonly _tag: "Unrelated" }
  | { readonly _tag: "Malformed" }

/** Makes the reading of a datagram that answers the request. */
export const answer = <A>(value: A): Reading<A> => ({ _tag: "Answer", value })

/** A valid answer to another request, or to an earlier one. */
export const unrelated: Reading<never> = { _tag: "Unrelated" }

/** The reading of a datagram from the gateway that is not a valid answer. */
export const malformed: Reading<never> = { _tag: "Malformed" }

/** A socket to a gateway that sends requests one after the other. */
export interface Conversation {
  /** The gateway's address and port, for error messages. */
  readonly gateway: string
  readonly localAddress: NetAddress.Ipv4Address
  /** The local port of the socket. */
  readonly localPort: number
  /**
   * Sends a request, with retransmissions, until an answer to it arrives. Packets from other addresses are ignored.
   * From the third transmission on, `also` is sent with it, for gateways that ignore requests they do not know.
   */
  readonly ask: <A>(
    request: Uint8Array,
    read: (payload: Uint8Array) => Reading<A>,
    also?: Uint8Array
  ) => Effect.Effect<A, GatewayUnreachable>
  /** Sends a request once, without waiting for an answer. */
  readonly tell: (request: Uint8Array) => Effect.Effect<void, GatewayUnreachable>
}

/** The gateway, the local address and the times of a conversation. */
export interface Options {
  readonly gateway: NetAddress.InetAddressV4
  readonly local: NetAddress.Ipv4Address
  /** The time for the whole conversation. */
  readonly timeout: Duration.Input
  /** How long the first transmission waits for its answer. Each further wait is twice as long. */
  readonly retryInterval: Duration.Input
  readonly openSocket: OpenSocket
}

/** The errors of a conversation: no route or no answer, an invalid answer, or the timeout. */
export type ConversationError = GatewayUnreachable | GatewayProtocolError | PortMapperTimedOut

/** Retransmission as in RFC 6886, section 3.1: at most nine transmissions, with doubling pauses. */
export const resendSchedule = (retryInterval: Duration.Input) =>
  Schedule.exponential(retryInterval).pipe(Schedule.upTo({ times: 8 }))

/** Runs `use` with a socket that lives for this conversation. Fails with `PortMapperTimedOut` after `timeout`. */
export const converse = <A, E, R>(
  options: Options,
  use: (conversation: Conversation) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | ConversationError, Exclude<R, Scope.Scope>> =>
  Effect.suspend(() => {
    const gateway = NetAddress.formatInet(options.gateway)
    const heard = { malformed: false }
    // A malformed packet may be forged, so a valid one is still awaited.
    const late = Effect.suspend(() =>
      Effect.fail(
        heard.malformed
          ? new GatewayProtocolError({ gateway, code: Option.none(), detail: "nothing that can be read" })
          : new PortMapperTimedOut({ gateway })
      )
    )
    return open(options, gateway, heard).pipe(
      Effect.flatMap(use),
      Effect.scoped,
      Effect.timeoutOrElse({ duration: options.timeout, orElse: () => late })
    )
  })

const open = Effect.fnUntraced(function* (
  options: Options,
  gateway: string,
  heard: { malformed: boolean }
): Effect.fn.Return<Conversation, GatewayUnreachable, Scope.Scope> {
  const unreachable = (cause: unknown) => new GatewayUnreachable({ gateway, cause })
  const reported = yield* Deferred.make<never, GatewayUnreachable>()
  const socket = yield* options.openSocket({
    gateway: options.gateway,
    local: options.local,
    onError: (error) => Deferred.doneUnsafe(reported, Effect.fail(unreachable(error)))
  })
  const reader = yield* Effect.mapError(socket.reader, unreachable)
  const writer = yield* socket.writer
  const { address: localAddress, port: localPort } = reader.address
  if (!NetAddress.isIpv4Address(localAddress)) {
    return yield* unreachable(new Error(`the socket's address is ${NetAddress.formatIp(localAddress)}`))
  }

  // No destination: the socket is connected to the gateway.
  const tell = (payload: Uint8Array) => Effect.mapError(writer.write({ payload }), unreachable)

  const receive = Effect.fnUntraced(function* <A>(
    read: (payload: Uint8Array) => Reading<A>
  ): Effect.fn.Return<A, GatewayUnreachable> {
    while (true) {
      for (const { address, payload } of yield* Effect.mapError(reader.pull, unreachable)) {
        if (!Equal.equals(address, options.gateway)) continue
        const reading = read(payload)
        if (reading._tag === "Answer") return reading.value
        if (reading._tag === "Malformed") heard.malformed = true
      }
    }
  })

  return {
    gateway,
    localAddress,
    localPort,
    tell,
    ask: (request, read, also) => {
      let sent = 0
      const send = Effect.suspend(() =>
        ++sent < fallbackAfter || also === undefined ? tell(request) : Effect.andThen(tell(request), tell(also))
      )
      return Effect.raceAllFirst([
        receive(read),
        Deferred.await(reported),
        send.pipe(Effect.repeat(resendSchedule(options.retryInterval)), Effect.andThen(Effect.never))
      ])
    }
  }
})
