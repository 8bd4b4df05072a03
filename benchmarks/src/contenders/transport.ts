/** The library's lower half alone. The distance from here to the whole library is what endpoint, pool and queues cost. */
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import * as Identity from "@qp2p/core/Identity"
import type { BindError } from "@qp2p/core/EndpointError"
import {
  type BackingConnection,
  type BackingSendStream,
  type BackingSocket,
  type BindOptions,
  type ConnectionEvents,
  type RecvEvents,
  type StreamFailure,
  Transport
} from "@qp2p/core/Transport"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as NetAddress from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import type { Contender, Link, MessageLoad, Options } from "../contender.ts"
import { checkAnswer, Counter, payloadOf, timed } from "./counting.ts"

const bindOptions = (identity: Identity.Identity, accept: boolean): BindOptions => ({
  identity,
  localAddress: NetAddress.inetAddressFromStringUnsafe("127.0.0.1:0"),
  accept,
  idleTimeout: Duration.seconds(60),
  keepAliveInterval: Duration.seconds(20),
  handshakeTimeout: Duration.seconds(10),
  stallTimeout: Duration.seconds(60),
  maxConnections: 50_000,
  maxConnectionsPerIp: 50_000,
  maxSendRate: 2 ** 30,
  unreadBuffer: 2 ** 30
})

const nothing = () => {}

/** Puts the bytes of a stream together; they are the transport's own only while it hands them over. */
const collect = (onMessage: (message: Uint8Array) => void): RecvEvents => {
  const chunks: Array<Buffer> = []
  return {
    onData: (chunk) => {
      chunks.push(Buffer.from(chunk))
      return true
    },
    onEnd: (failure) => {
      // Where packets are lost, the transport opens empty streams: their acknowledgements prove what has arrived.
      if (failure !== undefined || chunks.length === 0) return
      onMessage(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
    }
  }
}

/** What is sent ends the stream. */
const sendAll = (stream: BackingSendStream, body: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    stream.write(body, true, (failure) => (failure === undefined ? resolve() : reject(errorOf(failure))))
  })

const errorOf = (failure: StreamFailure): Error => new Error(failure._tag)

const open = async (
  options: Options,
  accept: boolean,
  events: () => ConnectionEvents
): Promise<{ readonly socket: BackingSocket; readonly close: () => Promise<void> }> => {
  const scope = await Effect.runPromise(Scope.make())
  const bind: Effect.Effect<BackingSocket, BindError | Identity.IdentityError, Transport | Scope.Scope> = Effect.gen(
    function* () {
      const transport = yield* Transport
      return yield* transport.bind(bindOptions(yield* Identity.generate, accept), { onConnection: events })
    }
  )
  const socket = await bind.pipe(
    Effect.provide(QuicheTransport.layer({ maxUdpPayload: options.maxUdpPayload })),
    Effect.provideService(Scope.Scope, scope),
    Effect.runPromise
  )
  return { socket, close: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
}

const silent: ConnectionEvents = { onStream: () => collect(nothing), onClosed: nothing }

const sendMessages = (connection: BackingConnection, { count, inFlight, size }: MessageLoad): Promise<void> =>
  new Promise((resolve, reject) => {
    const body = payloadOf(size)
    let started = 0
    let confirmed = 0
    const start = () => {
      started += 1
      connection.openUni(0).write(body, true, done)
    }
    const done = (failure?: StreamFailure) => {
      if (failure !== undefined) return reject(errorOf(failure))
      confirmed += 1
      if (started < count) return start()
      if (confirmed === count) resolve()
    }
    while (started < Math.min(count, inFlight)) start()
  })

const linkOf = (connection: BackingConnection, closed: () => Promise<void>): Link => ({
  messages: (load) => sendMessages(connection, load),
  requests: ({ count, size }) => {
    const question = payloadOf(size)
    return timed(
      count,
      () =>
        new Promise((resolve, reject) => {
          const answered = (answer: Uint8Array) => {
            checkAnswer(answer, question)
            resolve()
          }
          sendAll(connection.openBi(0, collect(answered)).send, question).catch(reject)
        })
    )
  },
  close: async () => {
    connection.close(0, "")
    await closed()
  }
})

const connect = (socket: BackingSocket, address: string, closed: () => Promise<void>): Promise<Link> =>
  new Promise((resolve, reject) => {
    socket.dial(NetAddress.inetAddressFromStringUnsafe(address), {
      onConnected: (connection) => {
        resolve(linkOf(connection, closed))
        return silent
      },
      onFailed: reject
    })
  })

export const contender: Contender = {
  name: "qp2p-transport",
  about:
    "the `QuicheTransport` of @qp2p/node alone, called by plain functions, a stream per message without a header; confirmed by QUIC's acknowledgement",
  carrier: "udp",
  overQuic: true,
  listen: async (options) => {
    const counter = new Counter()
    const { close, socket } = await open(options, true, () => ({
      onStream: (_receive, send) =>
        collect((message) => {
          counter.take(message.length)
          // The end of its connection ends an answer.
          if (send !== undefined) sendAll(send, message).catch(nothing)
        }),
      onClosed: nothing
    }))
    return { address: NetAddress.formatInet(socket.address), counts: counter.counts, close }
  },
  dial: async (address, options) => {
    const { close, socket } = await open(options, false, () => silent)
    return connect(socket, address, close)
  },
  dialler: async (options) => {
    const { close, socket } = await open(options, false, () => silent)
    return { connect: (address) => connect(socket, address, async () => {}), close }
  }
}
