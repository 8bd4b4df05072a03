/** Sockets that write down what they are told. */
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
import { Faults, NeverHappened, Surroundings } from "./rule.ts"

/** What became of a write. */
export type Outcome = StreamFailure | "done"

/** What one socket is told, in order, and what it should never have been. */
export interface Log {
  readonly events: Array<string>
  readonly faults: Array<string>
}

/** What a stream brought. */
export class Received implements RecvEvents {
  readonly chunks: Array<Uint8Array> = []
  readonly ends: Array<StreamFailure | undefined> = []
  length = 0
  /** Whether `onData` answers false. */
  pausing = false
  demand: (() => number) | undefined
  receive: BackingRecvStream | undefined
  send: BackingSendStream | undefined
  /** Told of each chunk, and of the end, from within the callback. */
  heed: ((chunk: Uint8Array) => void) | undefined
  heedEnd: ((failure: StreamFailure | undefined) => void) | undefined
  private readonly record: Log

  constructor(record: Log = { events: [], faults: [] }) {
    this.record = record
  }

  readonly onData = (chunk: Uint8Array): boolean => {
    this.record.events.push("data")
    if (this.ends.length > 0) this.record.faults.push("onData after onEnd")
    // The chunk is lent for the call only.
    this.chunks.push(chunk.slice())
    this.length += chunk.length
    this.heed?.(chunk)
    return !this.pausing
  }

  readonly onEnd = (failure?: StreamFailure): void => {
    this.record.events.push("end")
    if (this.ends.length > 0) this.record.faults.push("onEnd twice")
    this.ends.push(failure)
    this.heedEnd?.(failure)
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
  /** How often it was told that the peer has moved. */
  moves = 0
  /** How often that the peer does not answer. */
  silences = 0
  readonly record: Log
  /** Told of each stream and of the close, from within the callback. */
  heed: ((stream: Stream) => void) | undefined
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
    this.heed?.(received)
    return received
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
      // One that was stopped is never told its end.
      if (ends.length === 0 && receive !== undefined && !this.stopped.has(receive)) {
        this.record.faults.push("onClosed before onEnd")
      }
    }
    this.closes.push(close)
    this.heedClose?.(close)
  }

  /** Without those that ended empty: a transport may open such ones for purposes of its own. */
  get messages(): ReadonlyArray<Stream> {
    return this.streams.filter(({ ends, length }) => length > 0 || ends.length === 0)
  }

  /** Those that brought bytes. */
  get filled(): ReadonlyArray<Stream> {
    return this.streams.filter(({ length }) => length > 0)
  }

  private readonly stopped = new WeakSet<BackingRecvStream>()

  stop(receive: BackingRecvStream, code: number): void {
    this.stopped.add(receive)
    receive.stop(code)
  }

  /** Writes, and yields what becomes of it. */
  write(stream: BackingSendStream, bytes: Uint8Array, fin: boolean, then?: (outcome: Outcome) => void): Array<Outcome> {
    const results: Array<Outcome> = []
    stream.write(bytes, fin, this.answer(results, then))
    return results
  }

  /** Writes what is asked for when the stream has its turn, where the transport does so. */
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

  /** Opens a stream for what is asked for when it has its turn. */
  sendWhole(bytes: () => Uint8Array): Sent | undefined {
    const stream = this.connection.openUni(0)
    const results = this.writeWhole(stream, bytes)
    return results && { stream, results }
  }

  /** Opens a bidirectional stream for one question. */
  ask(bytes: Uint8Array, answer: Received = new Received(this.record)): Asked {
    const { receive, send } = this.connection.openBi(0, answer)
    answer.receive = receive
    answer.send = send
    return { stream: send, answer, results: this.write(send, bytes, true) }
  }
}

export interface Sent {
  readonly stream: BackingSendStream
  readonly results: Array<Outcome>
}

export interface Asked extends Sent {
  readonly answer: Received
}

export interface Dial<P = Peer> {
  readonly connected: Array<P>
  readonly failed: Array<ConnectionError>
  readonly cancel: () => void
}

export interface Bound<P = Peer> {
  readonly socket: BackingSocket
  readonly accepted: Array<P>
  /** The connections of its own dials. */
  readonly dialled: Array<P>
  readonly dial: (peer: NetAddress.InetAddress) => Dial<P>
  /** What the socket was told, in order. */
  readonly log: Log
}

export interface Setup<P = Peer> extends Partial<BindOptions> {
  readonly local?: string
  /** Told of each new peer before anything of it arrives, from within the callback. */
  readonly onPeer?: (peer: P) => void
}

export const address = NetAddress.inetAddressFromStringUnsafe

/** Binds with peers as `makePeer` makes them. */
export const bindWith =
  <P extends ConnectionEvents>(makePeer: (connection: BackingConnection, record: Log) => P) =>
  (setup: Setup<P> = {}) =>
    Effect.gen(function* () {
      const surroundings = yield* Surroundings
      const { local = surroundings.address, onPeer, ...overrides } = setup
      const transport = yield* Transport
      const log: Log = { events: [], faults: yield* Faults }
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
          accept: true,
          // Where requests to stop may be lost, the stall timeout is how long one side takes to find out, and the idle
          // timeout is how long the other side takes when what it is then told is lost, too.
          idleTimeout: Duration.seconds(surroundings.lossy ? 15 : 60),
          keepAliveInterval: Duration.seconds(surroundings.lossy ? 5 : 20),
          handshakeTimeout: Duration.seconds(60),
          stallTimeout: Duration.seconds(surroundings.lossy ? 5 : 60),
          maxConnections: 10_000,
          maxConnectionsPerIp: 10_000,
          maxSendRate: 2 ** 30,
          unreadBuffer: 2 ** 30,
          ...overrides
        },
        { onConnection: (connection) => note(connection, accepted) }
      )
      const dial = (peer: NetAddress.InetAddress): Dial<P> => {
        const connected: Array<P> = []
        const failed: Array<ConnectionError> = []
        const once = () => {
          if (connected.length + failed.length > 0) log.faults.push("a dial was reported twice")
        }
        const cancel = socket.dial(peer, {
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
        })
        return { connected, failed, cancel }
      }
      const bound: Bound<P> = { socket, accepted, dialled, dial, log }
      return bound
    })

export const bind = bindWith((connection, record) => new Peer(connection, record, (record) => new Received(record)))

/** Waits for `condition`, for as long as the surroundings allow. */
export const until = (what: string, condition: () => boolean) =>
  Effect.gen(function* () {
    const { limit } = yield* Surroundings
    const wait = Effect.gen(function* () {
      while (!condition()) yield* Effect.sleep("2 millis")
    })
    yield* Effect.timeoutOrElse(wait, { duration: limit, orElse: () => Effect.fail(new NeverHappened({ what })) })
  })

/** The connection of a dial. */
export const connected = Effect.fnUntraced(function* (dial: Dial) {
  yield* until("a dial is over", () => dial.connected.length + dial.failed.length > 0)
  const [error] = dial.failed
  if (error !== undefined) return yield* new NeverHappened({ what: `a dial connects: ${error.message}` })
  return dial.connected[0]!
})

/** What becomes of a dial that cannot succeed. */
export const failed = Effect.fnUntraced(function* (dial: Dial) {
  yield* until("a dial fails", () => dial.failed.length > 0)
  return dial.failed[0]!
})

/** Dials until a dial succeeds: there may be no room at first, or what is lost may cost a short timeout. */
export const dialledAtLast = Effect.fnUntraced(function* (client: Bound, peer: NetAddress.InetAddress) {
  const dials = [client.dial(peer)]
  yield* until("a dial connects at last", () => {
    const last = dials.at(-1)!
    if (last.failed.length > 0) dials.push(client.dial(peer))
    return last.connected.length > 0
  })
  return dials.at(-1)!.connected[0]!
})

export interface Pair {
  readonly client: Bound
  readonly server: Bound
  /** The dialling end and the accepting end. */
  readonly near: Peer
  readonly far: Peer
}

/** A connection between two fresh sockets. With short timeouts, what is lost may cost the first ones. */
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

/** A message that the peer acknowledges: whatever was to happen at once has happened then. */
export const roundTrip = Effect.fnUntraced(function* (peer: Peer) {
  const { results } = peer.send(text("probe"), 1)
  yield* until("a short message is acknowledged", () => results[0] === "done")
})

/** Waits until `count` stands still, however many messages `peer` sends meanwhile. */
export const standstill = Effect.fnUntraced(function* (peer: Peer, count: () => number) {
  let last = count()
  for (let trips = 0; trips < 5; trips++) {
    yield* roundTrip(peer)
    if (count() !== last) trips = 0
    last = count()
  }
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

export const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** Fails unless both are the same; a diff of megabytes helps nobody. */
export const assertSame = (actual: Uint8Array, expected: Uint8Array): void => {
  if (Buffer.compare(actual, expected) === 0) return
  let i = 0
  while (i < actual.length && actual[i] === expected[i]) i++
  throw new Error(`the bytes differ from number ${i} on (${actual.length} bytes instead of ${expected.length})`)
}
