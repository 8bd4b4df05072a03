/**
 * Sockets that write down what they are told.
 */
import type { Close } from "@qp2p/core/Close"
import type { ConnectionError } from "@qp2p/core/ConnectionError"
import {
  type BackingConnection,
  type BackingRecvStream,
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
import * as NetAddress from "effect/net/NetAddress"
import { MemoryNetwork } from "../src/MemoryNetwork.ts"
import * as MemoryTransport from "../src/MemoryTransport.ts"

/** How far a sender may be ahead of its reader. */
export const window = 256 * 1024
export const text = (value: string) => new TextEncoder().encode(value)
export const string = (bytes: ReadonlyArray<number>) => new TextDecoder().decode(Uint8Array.from(bytes))
export const ramp = (length: number) => Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8)) & 0xff)
export const provide = Effect.provide(MemoryTransport.layerNetwork)
export const setLatency = (latency: Duration.Input) =>
  Effect.flatMap(MemoryNetwork, (network) => network.setLatency(latency))

export const address = NetAddress.inetAddressFromStringUnsafe

/** Says yes or no: what tells arrays of this size apart takes minutes to print. */
export const sameBytes = (actual: ArrayLike<number>, expected: ArrayLike<number>) =>
  Buffer.from(actual as Array<number>).equals(Buffer.from(expected as Array<number>))

export class Received implements RecvEvents {
  readonly bytes: Array<number> = []
  readonly kept: Array<Uint8Array> = []
  readonly ends: Array<StreamFailure | undefined> = []
  /** After how many bytes to pause. */
  pauseAt = Number.POSITIVE_INFINITY
  receive: BackingRecvStream | undefined
  send: BackingSendStream | undefined

  readonly onData = (chunk: Uint8Array) => {
    for (const byte of chunk) this.bytes.push(byte)
    this.kept.push(chunk)
    return this.bytes.length < this.pauseAt
  }

  readonly onEnd = (failure?: StreamFailure) => {
    this.ends.push(failure)
  }
}

export class Peer implements ConnectionEvents {
  readonly connection: BackingConnection
  readonly streams: Array<Received> = []
  readonly closes: Array<Close> = []
  readonly log: Array<string>
  pauseAt = Number.POSITIVE_INFINITY

  constructor(connection: BackingConnection, log: Array<string>) {
    this.connection = connection
    this.log = log
  }

  readonly onStream = (receive: BackingRecvStream, send: BackingSendStream | undefined) => {
    const received = new Received()
    received.receive = receive
    received.send = send
    received.pauseAt = this.pauseAt
    this.streams.push(received)
    return received
  }

  readonly onClosed = (close: Close) => {
    this.log.push("closed")
    this.closes.push(close)
  }
}

export interface Dial {
  readonly connected: Array<Peer>
  readonly failed: Array<ConnectionError>
  readonly cancel: () => void
}

export interface Socket {
  readonly socket: BackingSocket
  readonly accepted: Array<Peer>
  readonly dial: (peer: NetAddress.InetAddress) => Dial
}

export const bind = Effect.fnUntraced(function* (local: string, overrides: Partial<BindOptions> = {}) {
  const transport = yield* Transport
  const accepted: Array<Peer> = []
  const note = (peers: Array<Peer>) => (connection: BackingConnection) => {
    const peer = new Peer(connection, [])
    peers.push(peer)
    return peer
  }
  const socket = yield* transport.bind(
    {
      localAddress: address(local),
      accept: true,
      idleTimeout: Duration.seconds(60),
      keepAliveInterval: Duration.infinity,
      handshakeTimeout: Duration.seconds(10),
      stallTimeout: Duration.seconds(60),
      maxConnections: 100,
      maxConnectionsPerIp: 100,
      maxSendRate: 2 ** 30,
      ...overrides
    },
    { onConnection: note(accepted) }
  )
  const dial = (peer: NetAddress.InetAddress): Dial => {
    const connected: Array<Peer> = []
    const failed: Array<ConnectionError> = []
    const cancel = socket.dial(peer, { onConnected: note(connected), onFailed: (error) => failed.push(error) })
    return { connected, failed, cancel }
  }
  const bound: Socket = { socket, accepted, dial }
  return bound
})

/** Lets the scheduler turn until `condition` holds; the test's timeout is the limit. */
export const until = (condition: () => boolean) =>
  Effect.gen(function* () {
    while (!condition()) yield* Effect.yieldNow
  })

/** Turns enough for everything that takes no time to have happened. */
export const settle = Effect.forEach(Array.from({ length: 50 }), () => Effect.yieldNow, { discard: true })

/** A connection between two fresh sockets, and both of its ends. */
export const connect = Effect.fnUntraced(function* (
  options: { readonly client?: Partial<BindOptions>; readonly server?: Partial<BindOptions> } = {}
) {
  const client = yield* bind("10.0.0.1:1", options.client)
  const server = yield* bind("10.0.0.2:2", options.server)
  const { connected } = client.dial(server.socket.address)
  yield* until(() => connected.length > 0 && server.accepted.length > 0)
  return { client, server, near: connected[0]!, far: server.accepted[0]! }
})

/** Calls of `done`, in order. */
export const outcomes = () => {
  const results: Array<StreamFailure | "done"> = []
  return { results, done: (failure?: StreamFailure) => void results.push(failure ?? "done") }
}
