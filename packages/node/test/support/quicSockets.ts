/**
 * Sockets of the QUIC transport that record their events.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import { address } from "../../../core/test/support/values.ts"
import type { Close } from "@qp2p/core/Close"
import type { ConnectionError } from "@qp2p/core/ConnectionError"
import * as Identity from "@qp2p/core/Identity"
import type { PeerId } from "@qp2p/core/PeerId"
import * as QuicheTransport from "../../src/QuicheTransport.ts"
import type {
  BackingConnection,
  BackingRecvStream,
  BackingSendStream,
  BackingSocket,
  BindOptions,
  ConnectionEvents,
  RecvEvents,
  SocketEvents,
  StreamFailure
} from "@qp2p/core/Transport"

export { address, bytes as text } from "../../../core/test/support/values.ts"

/** A loopback address with another port. */
export const at = (port: number): NetAddress.InetAddress => address(`127.0.0.1:${port}`)

/** What a stream brought. */
export class Received implements RecvEvents {
  readonly chunks: Array<Uint8Array> = []
  readonly ends: Array<StreamFailure | undefined> = []
  length = 0
  /** Whether `onData` answers false. */
  pausing = false
  demand: (() => number) | undefined = undefined
  receive: BackingRecvStream | undefined
  send: BackingSendStream | undefined
  heed: ((chunk: Uint8Array) => void) | undefined

  readonly onData = (chunk: Uint8Array) => {
    // The chunk is lent for the call only.
    this.chunks.push(chunk.slice())
    this.length += chunk.length
    this.heed?.(chunk)
    return !this.pausing
  }

  readonly onEnd = (failure?: StreamFailure) => {
    this.ends.push(failure)
  }

  get bytes(): Uint8Array {
    return Buffer.concat(this.chunks)
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString("utf8")
  }

  resume(): void {
    this.pausing = false
    this.receive!.resume()
  }
}

/** One end of a connection. */
export class Peer implements ConnectionEvents {
  readonly connection: BackingConnection
  readonly streams: Array<Received> = []
  readonly closes: Array<Close> = []
  moves = 0
  /** For each acceptance, what the connection said of it at the time. */
  readonly acceptances: Array<boolean> = []
  readonly datagrams: Array<Uint8Array> = []
  heed: ((stream: Received) => void) | undefined

  constructor(connection: BackingConnection) {
    this.connection = connection
  }

  readonly onStream = (receive: BackingRecvStream, send: BackingSendStream | undefined) => {
    const received = new Received()
    received.receive = receive
    received.send = send
    this.streams.push(received)
    this.heed?.(received)
    return received
  }

  readonly onAccepted = () => {
    this.acceptances.push(this.connection.isAccepted)
  }

  readonly onDatagram = (datagram: Uint8Array) => {
    this.datagrams.push(datagram)
  }

  readonly onMoved = () => {
    this.moves += 1
  }

  readonly onClosed = (close: Close) => {
    this.closes.push(close)
  }

  /** The streams that brought anything: the transport may open empty ones for purposes of its own. */
  get filled(): ReadonlyArray<Received> {
    return this.streams.filter(({ length }) => length > 0)
  }

  /** Opens a stream for one message, and yields what becomes of it. */
  send(bytes: Uint8Array, priority = 0): Sent {
    const stream = this.connection.openUni(priority)
    const results: Array<StreamFailure | "done"> = []
    stream.write(bytes, true, (failure) => results.push(failure ?? "done"))
    return { stream, results }
  }
}

export interface Sent {
  readonly stream: BackingSendStream
  readonly results: Array<StreamFailure | "done">
}

export interface Dial {
  readonly connected: Array<Peer>
  readonly failed: Array<ConnectionError>
  readonly cancel: () => void
}

export interface Bound {
  readonly socket: BackingSocket
  readonly identity: Identity.Identity
  readonly accepted: Array<Peer>
  readonly dial: (peer: NetAddress.InetAddress, expected?: PeerId) => Dial
}

export interface Setup extends Partial<BindOptions> {
  readonly local?: string
  readonly openSocket?: QuicheTransport.Options["openSocket"]
  readonly maxUdpPayload?: number
  /** Told of each new peer before anything of it arrives. */
  readonly onPeer?: (peer: Peer) => void
  readonly onHandshake?: SocketEvents["onHandshake"]
}

export const bind = Effect.fnUntraced(function* (setup: Setup = {}) {
  const { local = "127.0.0.1:0", onHandshake, onPeer, openSocket, ...overrides } = setup
  const identity = setup.identity ?? (yield* Effect.orDie(Identity.generate))
  // On a network that is bad on purpose, packets as they are on one: more of them for what is sent.
  const { maxUdpPayload = openSocket === undefined ? undefined : 1_350 } = setup
  const transport = QuicheTransport.make({ maxUdpPayload, openSocket })
  const accepted: Array<Peer> = []
  const note = (peers: Array<Peer>) => (connection: BackingConnection) => {
    const peer = new Peer(connection)
    peers.push(peer)
    onPeer?.(peer)
    return peer
  }
  const socket = yield* transport.bind(
    {
      localAddress: address(local),
      identity,
      accept: true,
      idleTimeout: Duration.seconds(60),
      keepAliveInterval: Duration.seconds(20),
      handshakeTimeout: Duration.seconds(20),
      stallTimeout: Duration.seconds(60),
      maxConnections: 10_000,
      maxConnectionsPerIp: 10_000,
      maxSendRate: 2 ** 30,
      unreadBuffer: 2 ** 30,
      ...overrides
    },
    { onConnection: note(accepted), onHandshake }
  )
  const dial = (peer: NetAddress.InetAddress, expected?: PeerId): Dial => {
    const connected: Array<Peer> = []
    const failed: Array<ConnectionError> = []
    const events = { onConnected: note(connected), onFailed: (error: ConnectionError) => void failed.push(error) }
    const cancel = socket.dial(peer, events, expected)
    return { connected, failed, cancel }
  }
  const bound: Bound = { socket, identity, accepted, dial }
  return bound
})

/** Waits for `condition`; a failure after `limit` says what was awaited. */
export const until = (what: string, condition: () => boolean, limit: Duration.Input = "20 seconds") =>
  Effect.gen(function* () {
    while (!condition()) yield* Effect.sleep("2 millis")
  }).pipe(Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.die(new Error(`never happened: ${what}`)) }))

/** The connection of a dial. */
export const connected = Effect.fnUntraced(function* (dial: Dial) {
  yield* until("the dial is over", () => dial.connected.length + dial.failed.length > 0)
  const peer = dial.connected[0]
  if (peer === undefined) return yield* Effect.die(dial.failed[0])
  return peer
})

export interface Pair {
  readonly client: Bound
  readonly server: Bound
  /** The dialling end and the accepting end. */
  readonly near: Peer
  readonly far: Peer
}

/** A connection between two fresh sockets. `via` yields the address that leads to the server. */
export const connect = Effect.fnUntraced(function* (
  options: {
    readonly client?: Setup
    readonly server?: Setup
    readonly via?: (server: NetAddress.InetAddress) => NetAddress.InetAddress
  } = {}
) {
  const server = yield* bind(options.server)
  const client = yield* bind(options.client)
  const target = options.via === undefined ? server.socket.address : options.via(server.socket.address)
  const near = yield* connected(client.dial(target))
  yield* until("the server has the connection", () => server.accepted.length > 0)
  const pair: Pair = { client, server, near, far: server.accepted[0]! }
  return pair
})

/** What becomes of writes, in order. */
export const outcomes = () => {
  const results: Array<StreamFailure | "done"> = []
  return { results, done: (failure?: StreamFailure) => void results.push(failure ?? "done") }
}

/** Waits until the server has dealt with what was sent to it before: a dial of its own comes back. */
export const settled = Effect.fnUntraced(function* (server: Bound) {
  const probe = yield* bind()
  yield* connected(probe.dial(server.socket.address))
})

/** `length` bytes that `seed` determines. */
export const pattern = (length: number, seed = 0): Uint8Array => {
  const bytes = new Uint8Array(length)
  let state = (seed * 2654435761 + 1) >>> 0
  for (let i = 0; i < length; i++) {
    state = (state * 1664525 + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

/** Fails unless both are the same; a diff of megabytes helps nobody. */
export const assertSame = (actual: Uint8Array, expected: Uint8Array, what = "the bytes"): void => {
  if (Buffer.compare(actual, expected) === 0) return
  let i = 0
  while (i < actual.length && actual[i] === expected[i]) i++
  throw new Error(`${what} differ from byte ${i} on (${actual.length} bytes instead of ${expected.length})`)
}
