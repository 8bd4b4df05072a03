/** A recorder of the events of a connection, which also writes to its streams. */
import type { Close } from "@qp2p/core/Close"
import type {
  BackingConnection,
  BackingRecvStream,
  BackingSendStream,
  ConnectionEvents,
  RecvEvents,
  StreamFailure
} from "@qp2p/core/Transport"
import type { Log } from "./log.ts"
import { Received } from "./received.ts"

/** The result of a write. */
export type Outcome = StreamFailure | "done"

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
  /** The datagrams that arrived, in that order. */
  readonly datagrams: Array<Uint8Array> = []
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

  readonly onDatagram = (datagram: Uint8Array): void => {
    this.datagrams.push(datagram)
    if (this.closes.length > 0) this.record.faults.push("onDatagram after onClosed")
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
