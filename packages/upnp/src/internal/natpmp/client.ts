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
import * as exclusively from "../exclusively.ts"

export interface SocketOptions {
  readonly gateway: NetAddress.InetAddressV4
  /** The address to send from; unspecified is that of the route to the gateway. */
  readonly local: NetAddress.Ipv4Address
  /** Takes what the network reports of packets sent before. */
  readonly onError: (error: DatagramSocket.DatagramSocketError) => void
}

/** Makes the socket for one conversation with a gateway, connected to it. Its reader's address is what the gateway sees. */
export type OpenSocket = (options: SocketOptions) => Effect.Effect<DatagramSocket.DatagramSocket>

/** Connected, so that it has the address of the route to the gateway, and hears when nobody listens there. */
export const openNodeSocket: OpenSocket = ({ gateway, local, onError }) =>
  exclusively.connected({ local, peer: gateway, receiveQueue, onError })

/** There is one request at a time, and each is answered once for each time that it was sent. */
const receiveQueue = 64

/** The time that another question is asked, too. */
const patience = 3

/** What a packet from the gateway is to a request. */
export type Reading<A> =
  | { readonly _tag: "Answer"; readonly value: A }
  | { readonly _tag: "Stranger" }
  | { readonly _tag: "Malformed" }

export const answer = <A>(value: A): Reading<A> => ({ _tag: "Answer", value })

/** Readable, and the answer to something else: another request, or one before. */
export const stranger: Reading<never> = { _tag: "Stranger" }

export const malformed: Reading<never> = { _tag: "Malformed" }

export interface Conversation {
  /** Its address and port, for errors. */
  readonly gateway: string
  readonly localAddress: NetAddress.Ipv4Address
  /** The port of ours that the requests come from. */
  readonly localPort: number
  /**
   * Sends a request, again and again, until an answer to it comes. Packets of others than the gateway are ignored. When
   * nothing has come by the third time, `also` is sent with it, for gateways that do not know what they are asked.
   */
  readonly ask: <A>(
    request: Uint8Array,
    read: (payload: Uint8Array) => Reading<A>,
    also?: Uint8Array
  ) => Effect.Effect<A, GatewayUnreachable>
  /** Sends a request once and waits for nothing. */
  readonly tell: (request: Uint8Array) => Effect.Effect<void, GatewayUnreachable>
}

export interface Options {
  readonly gateway: NetAddress.InetAddressV4
  readonly local: NetAddress.Ipv4Address
  /** For the whole conversation. */
  readonly timeout: Duration.Input
  /** How long the first request waits for its answer. Each one after it waits twice as long. */
  readonly retryInterval: Duration.Input
  readonly openSocket: OpenSocket
}

export type ConversationError = GatewayUnreachable | GatewayProtocolError | PortMapperTimedOut

/** RFC 6886, section 3.1: a request is sent nine times at most, each time after twice the time. */
export const resendSchedule = (retryInterval: Duration.Input) =>
  Schedule.exponential(retryInterval).pipe(Schedule.upTo({ times: 8 }))

/** Talks to a gateway on a socket that lives for this conversation, within `timeout`. */
export const converse = <A, E, R>(
  options: Options,
  use: (conversation: Conversation) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | ConversationError, Exclude<R, Scope.Scope>> =>
  Effect.suspend(() => {
    const gateway = NetAddress.formatInet(options.gateway)
    const heard = { malformed: false }
    // A packet that cannot be read may be forged, so a good one is still waited for.
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
        ++sent < patience || also === undefined ? tell(request) : Effect.andThen(tell(request), tell(also))
      )
      return Effect.raceAllFirst([
        receive(read),
        Deferred.await(reported),
        send.pipe(Effect.repeat(resendSchedule(options.retryInterval)), Effect.andThen(Effect.never))
      ])
    }
  }
})
