import * as Bootstrap from "@qp2p/core/Bootstrap"
import type { Connection } from "@qp2p/core/Connection"
import * as ConnectionPool from "@qp2p/core/ConnectionPool"
import * as Endpoint from "@qp2p/core/Endpoint"
import type * as EndpointConfig from "@qp2p/core/EndpointConfig"
import type { IncomingMessage } from "@qp2p/core/IncomingMessage"
import * as PortMapper from "@qp2p/core/PortMapper"
import * as QuicheTransport from "@qp2p/node/QuicheTransport"
import type { BidirectionalStream } from "@qp2p/core/BidirectionalStream"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Contender, Link, Options } from "../contender.ts"
import { checkAnswer, Counter, payloadOf } from "./counting.ts"

const localAddress = "127.0.0.1:0"

/** The defaults do not admit thousands of connections from one machine. */
const config: EndpointConfig.Input = { maxConnections: 50_000, maxConnectionsPerIp: 50_000 }

/** A pool that never has a connection: each `connectTo` dials. */
const dialAlways = Layer.succeed(ConnectionPool.ConnectionPool, {
  open: Effect.map(ConnectionPool.make, (pool) => ({
    ...pool,
    current: () => undefined,
    connect: (_peer, dial) => dial
  }))
} satisfies ConnectionPool.ConnectionPool["Service"])

/** An endpoint, and how to end it. */
const open = async (
  options: Options,
  pools: Layer.Layer<ConnectionPool.ConnectionPool>
): Promise<{ readonly endpoint: Endpoint.Endpoint["Service"]; readonly close: () => Promise<void> }> => {
  const scope = await Effect.runPromise(Scope.make())
  const layer = Layer.provide(Endpoint.layerWithoutDependencies({ localAddress, config }), [
    QuicheTransport.layer({ maxUdpPayload: options.maxUdpPayload }),
    PortMapper.layerNone,
    Bootstrap.layer,
    pools
  ])
  const services = await Effect.runPromise(Layer.buildWithScope(layer, scope))
  return {
    endpoint: Context.get(services, Endpoint.Endpoint),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

const answer = ({ payload, reply }: IncomingMessage) =>
  Option.match(reply, {
    onNone: () => Effect.void,
    onSome: (reply) => Effect.andThen(reply.sendMessage(payload), reply.finish)
  })

const startAnswer = (question: IncomingMessage) =>
  Effect.forkChild(Effect.ignore(answer(question)), { startImmediately: true })

/** The application of the listening side. */
const drain = (endpoint: Endpoint.Endpoint["Service"], counter: Counter) =>
  Stream.runForEachArray(endpoint.incomingMessages, (messages) => {
    let questions: Array<IncomingMessage> | undefined = undefined
    for (const message of messages) {
      counter.take(message.payload.length)
      if (Option.isSome(message.reply)) (questions ??= []).push(message)
    }
    return questions === undefined ? Effect.void : Effect.forEach(questions, startAnswer, { discard: true })
  })

const linkOf = (
  send: (payload: Uint8Array) => Effect.Effect<void, unknown>,
  openStream: Effect.Effect<BidirectionalStream, unknown>,
  close: () => Promise<void>
): Link => ({
  messages: ({ count, inFlight, size }) => {
    const payload = payloadOf(size)
    let left = count
    const sender = Effect.gen(function* () {
      while (left-- > 0) yield* send(payload)
    })
    const senders = Array.from({ length: Math.min(count, inFlight) }, () => sender)
    return Effect.runPromise(Effect.all(senders, { concurrency: "unbounded", discard: true }))
  },
  requests: ({ count, size }) => {
    const question = payloadOf(size)
    const times = new Float64Array(count)
    return Effect.runPromise(
      Effect.gen(function* () {
        for (let i = 0; i < count; i++) {
          const begin = performance.now()
          const { receive, send } = yield* openStream
          yield* send.sendMessage(question)
          yield* Effect.forkChild(send.finish, { startImmediately: true })
          const answer = yield* receive.next
          times[i] = performance.now() - begin
          checkAnswer(answer, question)
        }
        return times
      })
    )
  },
  close
})

const linkByConnection = (connection: Connection, close: () => Promise<void>): Link =>
  linkOf((payload) => connection.send(payload), connection.openBi(), close)

export const contender: Contender = {
  name: "qp2p",
  about: "@qp2p/core of this repository, `sendMessage` and `incomingMessages`; confirmed by QUIC's acknowledgement",
  carrier: "udp",
  overQuic: true,
  listen: async (options) => {
    const { close, endpoint } = await open(options, ConnectionPool.layer)
    const counter = new Counter()
    Effect.runFork(drain(endpoint, counter))
    return { address: NetAddress.formatInet(endpoint.localAddress), counts: counter.counts, close }
  },
  dial: async (address, options) => {
    const { close, endpoint } = await open(options, ConnectionPool.layer)
    const { remoteAddress } = await Effect.runPromise(endpoint.connectTo(address))
    return linkOf(
      (payload) => endpoint.sendMessage(payload, remoteAddress),
      endpoint.openBidirectionalStream(remoteAddress),
      close
    )
  },
  dialler: async (options) => {
    const { close, endpoint } = await open(options, dialAlways)
    return {
      connect: async (address) => {
        const connection = await Effect.runPromise(endpoint.connectTo(address))
        return linkByConnection(connection, () => Effect.runPromise(connection.close()))
      },
      close
    }
  }
}
