/** Sockets and peers that record their events. */
import type { Close } from "@qp2p/core/Close"
import type { ConnectionError } from "@qp2p/core/ConnectionError"
import type { Identity } from "@qp2p/core/Identity"
import type { PeerId } from "@qp2p/core/PeerId"
import type { Peer as HandshakePeer } from "@qp2p/core/PeerPolicy"
import {
  type BackingConnection,
  type BackingRecvStream,
  type BackingSendStream,
  type BackingSocket,
  type BindOptions,
  type ConnectionEvents,
  type DialEvents,
  type RecvEvents,
  type StreamFailure,
  Transport
} from "@qp2p/core/Transport"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as TestIdentity from "../../TestIdentity.ts"
import { Faults, NeverHappened, Environment } from "./rule.ts"

/** The number of sockets so far: each has an identity of its own. */
let sockets = 0

/** The result of a write. */
export type Outcome = StreamFailure | "done"

/** The events of one socket, in order, and those that break the contract. */
export interface Log {
  readonly events: Array<string>
  readonly faults: Array<string>
}

/** Records what arrives on a stream. */
export class Received implements RecvEvents {
  readonly chunks: Array<Uint8Array> = []
  readonly ends: Array<StreamFailure | undefined> = []
  length = 0
  /** Whether `onData` answers false, which pauses the stream. */
  pausing = false
  demand: (() => number) | undefined
  receive: BackingRecvStream | undefined
  send: BackingSendStream | undefined
  /** Called with each chunk, from within the callback. */
  afterChunk: ((chunk: Uint8Array) => void) | undefined
  afterEnd: ((failure: StreamFailure | undefined) => void) | undefined
  private readonly record: Log

  constructor(record: Log = { events: [], faults: [] }) {
    this.record = record
  }

  readonly onData = (chunk: Uint8Array): boolean => {
    this.record.events.push("data")
    if (this.ends.length > 0) this.record.faults.push("onData after onEnd")
    // The chunk may be read only during the callback.
    this.chunks.push(chunk.slice())
    this.length += chunk.length
    this.afterChunk?.(chunk)
    return !this.pausing
  }

  readonly onEnd = (failure?: StreamFailure): void => {
    this.record.events.push("end")
    if (this.ends.length > 0) this.record.faults.push("onEnd twice")
    this.ends.push(failure)
    this.afterEnd?.(failure)
  }

  get whole(): Uint8Array {
    return Buffer.concat(this.chunks)
  }

  get text(): string {
    return new TextDecoder().decode(this.whole)
  }

  resume(): void {
    this.pausing = false
    this.receive!.resume()
  }
}

/** One end of a connection. */
export class Peer<Stream extends Received = Received> implements ConnectionEvents {
  readonly connection: BackingConnection
  readonly streams: Array<Stream> = []
  readonly closes: Array<Close> = []
  /** How often `onMoved` was called. */
  moves = 0
  /** How often `onAccepted` was called. */
  acceptances = 0
  /** How often the connection reported that the peer does not respond. */
  silences = 0
  readonly record: Log
  /** Called with each stream, from within the callback. */
  afterStream: ((stream: Stream) => void) | undefined
  heedClose: ((close: Close) => void) | undefined
  private readonly makeStream: (record: Log) => Stream

  constructor(connection: BackingConnection, record: Log, makeStream: (record: Log) => Stream) {
    this.connection = connection
    this.record = record
    this.makeStream = makeStream
  }

  readonly onStream = (receive: BackingRecvStream, send: BackingSendStream | undefined): RecvEvents => {
    this.record.events.push("stream")
    if (this.closes.length > 0) this.record.faults.push("onStream after onClosed")
    const received = this.makeStream(this.record)
    received.receive = receive
    received.send = send
    this.streams.push(received)
    this.afterStream?.(received)
    return received
  }

  readonly onAccepted = (): void => {
    this.record.events.push("accepted")
    this.acceptances += 1
    if (this.acceptances > 1) this.record.faults.push("onAccepted twice")
    if (!this.connection.isAccepted) this.record.faults.push("onAccepted of a connection that is not accepted")
    if (this.closes.length > 0) this.record.faults.push("onAccepted after onClosed")
  }

  readonly onMoved = (): void => {
    this.moves += 1
    if (this.closes.length > 0) this.record.faults.push("onMoved after onClosed")
  }

  readonly onUnresponsive = (): void => {
    this.silences += 1
    if (this.closes.length > 0) this.record.faults.push("onUnresponsive after onClosed")
  }

  readonly onClosed = (close: Close): void => {
    this.record.events.push("closed")
    if (this.closes.length > 0) this.record.faults.push("onClosed twice")
    for (const { ends, receive } of this.streams) {
      // A stream that this side stopped has no end event.
      if (ends.length === 0 && receive !== undefined && !this.stopped.has(receive)) {
        this.record.faults.push("onClosed before onEnd")
      }
    }
    this.closes.push(close)
    this.heedClose?.(close)
  }

  /** The streams that carried bytes or have not ended: a transport may open empty streams for its own purposes. */
  get messages(): ReadonlyArray<Stream> {
    return this.streams.filter(({ ends, length }) => length > 0 || ends.length === 0)
  }

  /** The streams that carried bytes. */
  get filled(): ReadonlyArray<Stream> {
    return this.streams.filter(({ length }) => length > 0)
  }

  private readonly stopped = new WeakSet<BackingRecvStream>()

  stop(receive: BackingRecvStream, code: number): void {
    this.stopped.add(receive)
    receive.stop(code)
  }

  /** Writes, and returns the array that will hold the result. */
  write(stream: BackingSendStream, bytes: Uint8Array, fin: boolean, then?: (outcome: Outcome) => void): Array<Outcome> {
    const results: Array<Outcome> = []
    stream.write(bytes, fin, this.answer(results, then))
    return results
  }

  /** Writes bytes that are produced when the stream has its turn, if the transport supports that. */
  writeWhole(stream: BackingSendStream, bytes: () => Uint8Array): Array<Outcome> | undefined {
    if (stream.writeWhole === undefined) return undefined
    const results: Array<Outcome> = []
    const content = () => {
      const all = bytes()
      return { bytes: all, weight: all.length }
    }
    stream.writeWhole(content, this.answer(results))
    return results
  }

  private answer(results: Array<Outcome>, then?: (outcome: Outcome) => void): (failure?: StreamFailure) => void {
    return (failure) => {
      if (results.length > 0) this.record.faults.push("done twice")
      results.push(failure ?? "done")
      then?.(results[0]!)
    }
  }

  /** Opens a stream for one message. */
  send(bytes: Uint8Array, priority = 0): Sent {
    const stream = this.connection.openUni(priority)
    return { stream, results: this.write(stream, bytes, true) }
  }

  /** Opens a stream for bytes that are produced when the stream has its turn. */
  sendWhole(bytes: () => Uint8Array): Sent | undefined {
    const stream = this.connection.openUni(0)
    const results = this.writeWhole(stream, bytes)
    return results && { stream, results }
  }

  /** Opens a bidirectional stream for one request. */
  ask(bytes: Uint8Array, answer: Received = new Received(this.record)): Asked {
    const { receive, send } = this.connection.openBi(0, answer)
    answer.receive = receive
    answer.send = send
    return { stream: send, answer, results: this.write(send, bytes, true) }
  }
}

/** A stream that a rule writes, with the outcomes of its callbacks in order. */
export interface Sent {
  readonly stream: BackingSendStream
  readonly results: Array<Outcome>
}

/** A bidirectional stream that a rule opened, with what arrives on its receiving half. */
export interface Asked extends Sent {
  readonly answer: Received
}

/** A dial in progress and the results that it has reported: a contract allows one in all. */
export interface Dial<P = Peer> {
  readonly connected: Array<P>
  readonly failed: Array<ConnectionError>
  readonly cancel: () => void
}

/** A bound socket with the peers that it accepted and dialled. */
export interface Bound<P = Peer> {
  readonly socket: BackingSocket
  readonly accepted: Array<P>
  /** The connections that this socket dialled. */
  readonly dialled: Array<P>
  readonly dial: (peer: NetAddress.InetAddress, expected?: PeerId) => Dial<P>
  readonly identity: Identity
  /** The handshakes that the socket was asked about, in order. Those of a socket without `admission` are decided at once. */
  readonly handshakes: Array<Handshake>
  /** The events of the socket, in order. */
  readonly log: Log
}

/** A peer that has proven its key, and the answer to whether it is admitted. */
export interface Handshake {
  readonly peer: HandshakePeer
  readonly decide: (isAdmitted: boolean) => void
  /** How often the transport has called the function that ends the question. */
  cancelled: number
}

/** Options of a bound socket in a rule; the environment supplies the missing ones. */
export interface Setup<P = Peer> extends Partial<BindOptions> {
  readonly local?: string
  /** Decides about each peer from within the callback, or leaves it to the rule. Without it, the socket is not asked. */
  readonly admission?: (handshake: Handshake) => void
  /** Called with each new peer before any stream of it arrives, from within the callback. */
  readonly onPeer?: (peer: P) => void
}

/** Parses an address such as "127.0.0.1:80". Throws for other text, which is a mistake in a rule. */
export const address = NetAddress.inetAddressFromStringUnsafe

/** Binds a socket whose peers `makePeer` constructs. */
export const bindWith =
  <P extends ConnectionEvents>(makePeer: (connection: BackingConnection, record: Log) => P) =>
  (setup: Setup<P> = {}) =>
    Effect.gen(function* () {
      const environment = yield* Environment
      const { admission, local = environment.address, onPeer, ...overrides } = setup
      const transport = yield* Transport
      const log: Log = { events: [], faults: yield* Faults }
      const identity = setup.identity ?? TestIdentity.make(`socket ${(sockets += 1)}`)
      const handshakes: Array<Handshake> = []
      const accepted: Array<P> = []
      const dialled: Array<P> = []
      const note = (connection: BackingConnection, peers: Array<P>) => {
        log.events.push("connected")
        const peer = makePeer(connection, log)
        peers.push(peer)
        onPeer?.(peer)
        return peer
      }
      const socket = yield* transport.bind(
        {
          localAddress: address(local),
          identity,
          accept: true,
          // Where STOP_SENDING frames may be lost, one side finds out by the stall timeout, and the other by the idle
          // timeout when its notice is lost too.
          idleTimeout: Duration.seconds(environment.lossy ? 15 : 60),
          keepAliveInterval: Duration.seconds(environment.lossy ? 5 : 20),
          handshakeTimeout: Duration.seconds(60),
          stallTimeout: Duration.seconds(environment.lossy ? 5 : 60),
          maxConnections: 10_000,
          maxConnectionsPerIp: 10_000,
          maxSendRate: 2 ** 30,
          unreadBuffer: 2 ** 30,
          ...overrides
        },
        {
          onConnection: (connection) => note(connection, accepted),
          ...(admission && {
            onHandshake: (peer, decide) => {
              log.events.push("handshake")
              const handshake = { peer, decide, cancelled: 0 }
              handshakes.push(handshake)
              admission(handshake)
              return () => {
                handshake.cancelled += 1
              }
            }
          })
        }
      )
      const dial = (peer: NetAddress.InetAddress, expected?: PeerId): Dial<P> => {
        const connected: Array<P> = []
        const failed: Array<ConnectionError> = []
        const once = () => {
          if (connected.length + failed.length > 0) log.faults.push("a dial was reported twice")
        }
        const events: DialEvents = {
          onConnected: (connection) => {
            once()
            const peer = note(connection, dialled)
            connected.push(peer)
            return peer
          },
          onFailed: (error) => {
            once()
            log.events.push("failed")
            failed.push(error)
          }
        }
        const cancel = socket.dial(peer, events, expected)
        return { connected, failed, cancel }
      }
      const bound: Bound<P> = { socket, accepted, dialled, dial, identity, handshakes, log }
      return bound
    })

/** Binds a socket whose peers record every event. */
export const bind = bindWith((connection, record) => new Peer(connection, record, (record) => new Received(record)))

/** Waits for `condition`, up to the limit of the environment. */
export const until = (what: string, condition: () => boolean) =>
  Effect.gen(function* () {
    const { limit } = yield* Environment
    const wait = Effect.gen(function* () {
      while (!condition()) yield* Effect.sleep("2 millis")
    })
    yield* Effect.timeoutOrElse(wait, { duration: limit, orElse: () => Effect.fail(new NeverHappened({ what })) })
  })

/** Waits for the connection of a dial. */
export const connected = Effect.fnUntraced(function* (dial: Dial) {
  yield* until("a dial is over", () => dial.connected.length + dial.failed.length > 0)
  const [error] = dial.failed
  if (error !== undefined) return yield* new NeverHappened({ what: `a dial connects: ${error.message}` })
  return dial.connected[0]!
})

/** Waits for the error of a dial that cannot succeed. */
export const failed = Effect.fnUntraced(function* (dial: Dial) {
  yield* until("a dial fails", () => dial.failed.length > 0)
  return dial.failed[0]!
})

/** Repeats a dial until one succeeds: at first there may be no room, or a lost packet may cost a short timeout. */
export const dialledAtLast = Effect.fnUntraced(function* (client: Bound, peer: NetAddress.InetAddress) {
  const dials = [client.dial(peer)]
  yield* until("a dial connects at last", () => {
    const last = dials.at(-1)!
    if (last.failed.length > 0) dials.push(client.dial(peer))
    return last.connected.length > 0
  })
  return dials.at(-1)!.connected[0]!
})

/** Two sockets with one connection between them. */
export interface Pair {
  readonly client: Bound
  readonly server: Bound
  /** The dialling end and the accepting end. */
  readonly near: Peer
  readonly far: Peer
}

/** Makes a connection between two new sockets. With short timeouts, lost packets may cost the first attempts. */
export const connect = Effect.fnUntraced(function* (
  options: { readonly client?: Setup; readonly server?: Setup } = {}
) {
  const server = yield* bind(options.server)
  const client = yield* bind(options.client)
  for (;;) {
    const near = yield* dialledAtLast(client, server.socket.address)
    yield* until("the acceptor has the connection", () => server.accepted.length > 0 || near.closes.length > 0)
    const far = server.accepted.at(-1)
    if (far === undefined) continue
    const pair: Pair = { client, server, near, far }
    return pair
  }
})

/** Sends a message and waits for its acknowledgement: everything that was to happen at once has happened by then. */
export const roundTrip = Effect.fnUntraced(function* (peer: Peer) {
  const { results } = peer.send(text("probe"), 1)
  yield* until("a short message is acknowledged", () => results[0] === "done")
})

/** Waits until `count` no longer changes while `peer` sends messages. */
export const standstill = Effect.fnUntraced(function* (peer: Peer, count: () => number) {
  let last = count()
  for (let trips = 0; trips < 5; trips++) {
    yield* roundTrip(peer)
    if (count() !== last) trips = 0
    last = count()
  }
})

/** Makes `length` bytes that depend on `seed` alone. */
export const pattern = (length: number, seed = 0): Uint8Array => {
  const bytes = new Uint8Array(length)
  let state = (seed * 2654435761 + 1) >>> 0
  for (let i = 0; i < length; i++) {
    state = (state * 1664525 + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

/** Encodes a string as UTF-8. */
export const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** Fails unless both are equal, without a diff, which would have megabytes. */
export const assertSame = (actual: Uint8Array, expected: Uint8Array): void => {
  if (Buffer.compare(actual, expected) === 0) return
  let i = 0
  while (i < actual.length && actual[i] === expected[i]) i++
  throw new Error(`the bytes differ from number ${i} on (${actual.length} bytes instead of ${expected.length})`)
}
