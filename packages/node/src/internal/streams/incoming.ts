/**
 * The receiving side of a connection: which streams the peer sends on, and who hears of it.
 */
import type { ConnectionEvents, RecvEvents, StreamFailure } from "@qp2p/core/Transport"
import type { Accounts } from "../connection/receiveBudget.ts"
import type { NativeConnection } from "../binding/native.ts"
import { type RecvOwner, RecvStream } from "./recvStream.ts"
import type { SendStream } from "./sendStream.ts"
import { endsAsked, initialStreamWindow, maxConnectionRead, maxStreamsRead } from "../tunables.ts"

const shutdownRead = 0

/** What the receiving side needs of its connection. */
export interface IncomingHost {
  readonly native: NativeConnection
  readonly dialled: boolean
  readonly touch: () => void
  readonly over: () => StreamFailure | undefined
  /** Whether its owner has closed it, and is to hear no more of what arrives. */
  readonly isClosing: () => boolean
  readonly events: () => ConnectionEvents
  /** The sending half of a bidirectional stream that the peer opened. */
  readonly answer: (id: number) => SendStream
  readonly accounts: Accounts
  /** Lent for the time of a read. */
  readonly scratch: Uint8Array
}

export class Incoming implements RecvOwner {
  readonly native: NativeConnection
  /** Whether more had arrived than one turn reads. */
  isUnread = false
  /** Counts what was handed on or dropped, and streams that their owners put aside or took up again. */
  work = 0
  /** Stream bytes read in the turn. */
  private bytesRead = 0
  private readonly host: IncomingHost
  private readonly streams = new Map<number, RecvStream>()
  /** Streams that the peer was asked to stop and has not ended, and for how many milliseconds. */
  private readonly stopping = new Map<number, number>()
  /** The streams that are most likely to have something: the latest that we listen to, and the next that the peer opens. */
  private latest = 0
  private nextUni: number
  private nextBi: number
  /** The number of the read, so that no stream gets more than one share of it. */
  private pass = 0
  /** Where the search for ends goes on. */
  private search: Iterator<RecvStream> | undefined = undefined

  constructor(host: IncomingHost) {
    this.host = host
    this.native = host.native
    // RFC 9000, section 2.1.
    this.nextBi = host.dialled ? 1 : 0
    this.nextUni = this.nextBi + 2
  }

  /** The receiving half of a stream that we opened: its answers are read from now on. */
  listen(id: number, events: RecvEvents): RecvStream {
    const stream = new RecvStream(this, id)
    stream.events = events
    this.streams.set(id, stream)
    this.latest = id
    return stream
  }

  /** Reads what has arrived, `regardless` of who has paused, and tells how many bytes that were. */
  read(regardless: boolean): number {
    this.bytesRead = 0
    this.isUnread = false
    this.findEnds(endsAsked)
    // Asking for the list costs far more than asking whether it is empty, and than asking for a stream.
    if (!this.native.isReadable()) return 0
    this.pass += 1
    let left = regardless ? Infinity : maxStreamsRead
    for (const id of [this.latest, this.nextBi, this.nextUni]) {
      if (this.isClosing || !this.native.streamReadable(id)) continue
      if (this.readStream(id, regardless)) left -= 1
    }
    // And those after it, as long as they come in their order; half of the turn is for the others.
    while (left > maxStreamsRead / 2 && this.bytesRead < maxConnectionRead / 2 && !this.isClosing) {
      const id = this.nextUni
      if (!this.native.streamReadable(id)) break
      if (this.readStream(id, regardless)) left -= 1
    }
    if (this.native.isReadable()) this.readOthers(left, regardless)
    return this.bytesRead
  }

  /**
   * Ends up to `most` streams whose ends have come without a sign. The binding makes no stream readable by a fin that comes
   * with bytes which have been read already. So it comes when they are sent again after the stream was finished.
   */
  private findEnds(most: number): void {
    for (let left = Math.min(most, this.streams.size); left > 0 && !this.isClosing; left--) {
      let next = (this.search ??= this.streams.values()).next()
      if (next.done === true) {
        this.search = this.streams.values()
        next = this.search.next()
        if (next.done === true) return
      }
      const stream = next.value
      if (stream.held || stream.paused || !this.native.streamFinished(stream.id)) continue
      if (this.native.streamReadable(stream.id)) continue
      this.work += 1
      this.streams.delete(stream.id)
      stream.end(undefined)
    }
  }

  /** All but those that have had their share. Streams that their owners do not read yet take none of it. */
  private readOthers(left: number, regardless: boolean): void {
    const enough = regardless ? Infinity : maxConnectionRead
    for (const id of this.native.readable()) {
      if (this.isClosing) break
      if (left <= 0 || this.bytesRead >= enough) {
        // Only a stream that would be read asks for another turn.
        if (this.isWanted(this.streams.get(id))) {
          this.isUnread = true
          break
        }
      } else if (this.readStream(id, regardless)) left -= 1
    }
  }

  /** Whether a turn would read the stream, which has something; one that is not known yet is new. */
  private isWanted(stream: RecvStream | undefined): boolean {
    if (stream === undefined) return true
    return stream.pass !== this.pass && !stream.held && (stream.ended || !stream.paused)
  }

  /** Gives the stream its share of the read, if it takes one. */
  private readStream(id: number, regardless: boolean): boolean {
    const stream = this.streams.get(id) ?? this.accept(id)
    if (stream.pass === this.pass) return false
    stream.pass = this.pass
    if (stream.ended) {
      if (stream.held && !regardless) return false
      this.work += 1
      if (stream.discard(this.host.scratch)) this.streams.delete(id)
      return true
    }
    if ((stream.paused || stream.held) && !regardless) return false
    stream.read(this.host.scratch, regardless)
    // The next read passes over it.
    if (stream.paused) this.work += 1
    // One that was stopped from within stays, so that its last bytes do not make it look like a new one.
    if (stream.over) {
      this.work += 1
      this.streams.delete(id)
    }
    return true
  }

  /** Whether the peer owes an answer on a stream that we opened. */
  get isAwaited(): boolean {
    for (const stream of this.streams.values()) {
      // RFC 9000, section 2.1: the first bit tells who opened it.
      if (((stream.id & 0x1) === 0) === this.host.dialled && !stream.ended && !stream.over) return true
    }
    return false
  }

  get isClosing(): boolean {
    return this.host.isClosing()
  }

  /** Ends every stream. */
  fail(failure: StreamFailure): void {
    for (const stream of this.streams.values()) stream.end(failure)
    this.streams.clear()
  }

  resumed(): void {
    // What ends with its connection is let go of, too: there is nothing to read then.
    if (this.host.over() !== undefined) return
    // Others may have taken the room by the time that it is read.
    this.work += 1
    this.isUnread = true
    this.host.touch()
  }

  unread(): void {
    this.isUnread = true
  }

  stopped(stream: RecvStream, code: number): void {
    if (this.host.over() !== undefined) return
    if (stream.discard(this.host.scratch)) {
      this.streams.delete(stream.id)
      return
    }
    this.host.accounts.willDrop(initialStreamWindow)
    try {
      this.native.streamShutdown(stream.id, shutdownRead, code)
      this.stopping.set(stream.id, 0)
    } catch {
      // Nothing to stop any more.
    }
    this.host.touch()
  }

  /**
   * For how many milliseconds the peer has gone on with a stream that it was asked to stop; asked every `elapsed`. The
   * binding does not repeat a request that was lost, and gives such a stream no more credit: its sender waits for ever.
   */
  oldestStop(elapsed: number): number {
    this.findEnds(Infinity)
    let oldest = 0
    for (const [id, age] of this.stopping) {
      if (this.native.streamFinished(id)) {
        this.stopping.delete(id)
        this.streams.delete(id)
      } else {
        this.stopping.set(id, age + elapsed)
        oldest = Math.max(oldest, age)
      }
    }
    return oldest
  }

  /** Streams opened here whose answers have not been read to their ends. */
  get answers(): number {
    let count = 0
    for (const { id, over } of this.streams.values()) {
      if (!over && (id & 0x2) === 0 && ((id & 0x1) === 0) === this.host.dialled) count += 1
    }
    return count
  }

  wasReset(): void {
    this.host.accounts.wasReset()
  }

  delivered(bytes: number): void {
    this.work += 1
    this.bytesRead += bytes
    this.host.accounts.read(bytes)
  }

  private accept(id: number): RecvStream {
    this.work += 1
    const stream = new RecvStream(this, id)
    this.streams.set(id, stream)
    // RFC 9000, section 2.1: the first bit is set for streams that the acceptor opened, the second for those that go one
    // way. Answers on a stream of ours that nobody listens to any more are nothing new.
    if (((id & 0x1) === 0) === this.host.dialled) {
      stream.ended = true
      return stream
    }
    if ((id & 0x2) === 0) this.nextBi = Math.max(this.nextBi, id + 4)
    else this.nextUni = Math.max(this.nextUni, id + 4)
    const send = (id & 0x2) === 0 ? this.host.answer(id) : undefined
    if (send !== undefined) send.answer = stream
    stream.events = this.host.events().onStream(stream, send)
    return stream
  }
}
