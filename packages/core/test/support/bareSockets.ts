/**
 * Peers that are no endpoints: sockets of the transport, without an endpoint above them.
 */
import * as TestIdentity from "@qp2p/testkit/TestIdentity"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Close } from "../../src/Close.ts"
import {
  type BackingConnection,
  type BackingRecvStream,
  type BackingSendStream,
  type ConnectionEvents,
  type RecvEvents,
  Transport
} from "../../src/Transport.ts"
import * as WireMessage from "../../src/WireMessage.ts"
import { address } from "./values.ts"

const ignored: RecvEvents = { onData: () => true, onEnd: () => {} }

/** Binds a socket at `local`; `onStream` decides about each stream that a peer opens. */
export const raw = Effect.fnUntraced(function* (
  local: string,
  onStream: (send: BackingSendStream | undefined, receive: BackingRecvStream) => RecvEvents = () => ignored
) {
  const transport = yield* Transport
  const closes: Array<Close> = []
  const events: ConnectionEvents = {
    onStream: (receive, send) => onStream(send, receive),
    onClosed: (close) => closes.push(close)
  }
  const accepted: Array<BackingConnection> = []
  const socket = yield* transport.bind(
    {
      localAddress: address(local),
      identity: TestIdentity.make(local),
      accept: true,
      idleTimeout: Duration.seconds(60),
      keepAliveInterval: Duration.seconds(20),
      handshakeTimeout: Duration.seconds(10),
      stallTimeout: Duration.seconds(60),
      maxConnections: 100,
      maxConnectionsPerIp: 100,
      maxSendRate: 2 ** 30,
      unreadBuffer: 2 ** 30
    },
    {
      onConnection: (connection) => {
        accepted.push(connection)
        return events
      }
    }
  )
  /** Dials. `atOnce` runs in the turn that completes the handshake. */
  const dial = (peer: string, atOnce: (connection: BackingConnection) => void = () => {}) =>
    Effect.callback<BackingConnection>((resume) => {
      socket.dial(address(peer), {
        onConnected: (connection) => {
          atOnce(connection)
          resume(Effect.succeed(connection))
          return events
        },
        onFailed: (error) => resume(Effect.die(error))
      })
    })
  return { address: socket.address, socket, accepted, closes, dial }
})

/** Takes connections and streams, and never says a word. */
export const silent = (local: string) => raw(local)

/** Answers each question as `answer` says; `undefined` leaves it without one. */
export const answering = (
  local: string,
  answer: (question: WireMessage.WireMessage) => WireMessage.WireMessage | Uint8Array | undefined
) =>
  raw(local, (send) => {
    const decoder = new WireMessage.Decoder({ maxMessageSize: 1_000 })
    return {
      onData: (chunk) => {
        const questions: Array<WireMessage.WireMessage> = []
        decoder.push(chunk, questions)
        for (const question of questions) {
          const said = answer(question)
          if (said !== undefined)
            send?.write(said instanceof Uint8Array ? said : WireMessage.encode(said), true, () => {})
        }
        return true
      },
      onEnd: () => {}
    }
  })
