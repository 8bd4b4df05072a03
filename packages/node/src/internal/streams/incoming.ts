/**
 * The receiving side of a connection: reads its streams in shares, announces those that the peer opens, and stops those
 * that their owners do not want.
 */
import type { BackingSendStream, ConnectionEvents, RecvEvents, StreamFailure } from "@qp2p/core/Transport"
import type { NativeConnection } from "../binding/native.ts"
import { type RecvOwner, RecvStream } from "./recvStream.ts"
import { initialStreamWindow, maxConnectionRead, maxEndsChecked, maxStreamsRead } from "../tunables/streams.ts"

const shutdownRead = 0

/** The sending half of a stream that the peer opened. */
export interface AcceptedSend extends BackingSendStream {
  readonly setPeerHalf: (half: RecvStream) => void
}

/** Reports stream bytes to the receive budget of the connection. */
export interface StreamReads {
  /** `bytes` of streams were read. */
  readonly read: (bytes: number) => void
  /** Up to `bytes` may arrive on a stream that was stopped, and are not read. */
  readonly willDrop: (bytes: number) => void
  /** The peer has reset a stream: some of its bytes may not be read. */
  readonly wasReset: () => void
}

/** Watches what the binding keeps of streams. */
export interface HeldStreamData {
  /** The stream was read up to `offset`. */
  readonly read: (id: number, offset: number) => void
  /** The peer was asked to stop the stream. */
  readonly stopped: (id: number) => void
  readonly ended: (id: number) => void
}

/** What the receiving side needs of its connection. */
export interface IncomingHost {
  readonly native: NativeConnection
  readonly dialled: boolean
  /** Asks for a turn soon. */
  readonly schedule: () => void
  /** Why the connection is over, if it is. */
  readonly failure: () => StreamFailure | undefined
  /** Whether the connection's owner has closed it: then nothing that arrives is reported. */
  readonly isClosing: () => boolean
  readonly events: () => ConnectionEvents
  /** Makes the sending half of a bidirectional stream that the peer opened. */
  readonly acceptSend: (id: number) => AcceptedSend
  readonly budget: StreamReads
  readonly frames: { readonly held: HeldStreamData }
  /** Lent for the time of a read. */
  readonly scratch: Uint8Array
}

/**
 * Owns the receiving halves of one connection: it reads them in shares, accepts streams of the peer, and sends STOP_SENDING
 * frames.
 */
export class Incoming implements RecvOwner {
  readonly native: NativeConnection
  /** Whether more has arrived than one turn reads. */
  private hasMore = false
  /** Counts what was handed on or dropped, and streams that their owners paused or resumed. */
  private workDone = 0
  /** Stream bytes read in the turn. */
  private bytesRead = 0
  private readonly host: IncomingHost
  private readonly streams = new Map<number, RecvStream>()
  /** Streams that the peer was asked to stop and has not ended, with the milliseconds since. */
  private stopping: Map<number, number> | undefined = undefined
  /**
   * The streams most likely to be readable: the latest that this side opened, the next that the peer opens, and the one that was
   * read last because the binding listed it.
   */
  private latest = 0
  private recent = 0
  private nextUni: number
  private nextBi: number
  /** The number of this pass of reading, of which no stream gets more than one share. */
  private pass = 0
  /** Where the search for ends goes on. */
  private endSearch: Iterator<RecvStream> | undefined = undefined

  constructor(host: IncomingHost) {
    this.host = host
    this.native = host.native
    // RFC 9000, section 2.1: the two low bits tell which side opened a stream and which kind it is.
    this.nextBi = host.dialled ? 1 : 0
    this.nextUni = this.nextBi + 2
  }

  /** Whether another turn is needed to read what has arrived. */
  get isUnread(): boolean {
    return this.hasMore
  }

  /** Counts work, to notice turns that do nothing. */
  get work(): number {
    return this.workDone
  }

  /** Makes the receiving half of a stream that this side opened, which is read from now on. */
  listen(id: number, events: RecvEvents): RecvStream {
    const stream = new RecvStream(this, id)
    stream.listen(events)
    this.streams.set(id, stream)
    this.latest = id
    return stream
  }

  /** Reads what has arrived, of paused streams too if `regardless`. Returns how many bytes that were. */
  read(regardless: boolean): number {
    this.bytesRead = 0
    this.hasMore = false
    this.findEnds(maxEndsChecked)
    // Asking for the list costs far more than asking whether it is empty, and than asking for a stream.
    if (!this.native.isReadable()) return 0
    this.pass += 1
    let left = regardless ? Infinity : maxStreamsRead
    // A stream that carries many calls is nearly always the only one with news, so that nothing else is asked for.
    for (const id of [this.recent, this.latest, this.nextBi, this.nextUni]) {
      if (this.isClosing || !this.native.streamReadable(id)) continue
      if (this.readStream(id, regardless)) left -= 1
      if (!this.native.isReadable()) return this.bytesRead
    }
    // Then the streams after the next, as long as they come in order; half of the turn is for the others.
    while (left > maxStreamsRead / 2 && this.bytesRead < maxConnectionRead / 2 && !this.isClosing) {
      const id = this.nextUni
      if (!this.native.streamReadable(id)) break
      if (this.readStream(id, regardless)) left -= 1
    }
    if (this.native.isReadable()) this.readOthers(left, regardless)
    return this.bytesRead
  }

  /**
   * Checks up to `most` streams, and ends those that the binding has ended without making them readable: it does so when a
   * fin comes only with bytes that were read already. That happens when the bytes are sent again after the stream was
   * finished.
   */
  private findEnds(most: number): void {
    for (let left = Math.min(most, this.streams.size); left > 0 && !this.isClosing; left--) {
      let next = (this.endSearch ??= this.streams.values()).next()
      if (next.done === true) {
        this.endSearch = this.streams.values()
        next = this.endSearch.next()
        if (next.done === true) return
      }
      const stream = next.value
      if (stream.isDeferred || stream.paused || !this.native.streamFinished(stream.id)) continue
      if (this.native.streamReadable(stream.id)) continue
      this.workDone += 1
      this.forget(stream.id)
      stream.end(undefined)
    }
  }

  private forget(id: number): void {
    this.streams.delete(id)
    this.host.frames.held.ended(id)
  }

  /** Reads the streams that have not had their share of this pass. Paused ones take none of what the turn reads. */
  private readOthers(left: number, regardless: boolean): void {
    const enough = regardless ? Infinity : maxConnectionRead
    for (const id of this.native.readable()) {
      if (this.isClosing) break
      if (left <= 0 || this.bytesRead >= enough) {
        // Only a stream that would be read asks for another turn.
        if (this.mayRead(this.streams.get(id))) {
          this.hasMore = true
          break
        }
      } else if (this.readStream(id, regardless)) {
        left -= 1
        this.recent = id
      }
    }
  }

  /** Whether a turn would read the stream, which has something to read; undefined is a new one. */
  private mayRead(stream: RecvStream | undefined): boolean {
    if (stream === undefined) return true
    return !stream.hasHadShare(this.pass) && !stream.isDeferred && (stream.ended || !stream.paused)
  }

  /** Reads the stream's share of this pass. False if it takes none. */
  private readStream(id: number, regardless: boolean): boolean {
    const stream = this.streams.get(id) ?? this.accept(id)
    if (!stream.takeShare(this.pass)) return false
    if (stream.ended) {
      if (stream.isDeferred && !regardless) return false
      this.workDone += 1
      if (stream.discard(this.host.scratch)) this.forget(id)
      return true
    }
    if ((stream.paused || stream.isDeferred) && !regardless) return false
    stream.read(this.host.scratch, regardless)
    // The next pass skips it.
    if (stream.paused) this.workDone += 1
    // One that its owner has stopped meanwhile stays, so that its last bytes do not make it look like a new one.
    if (stream.isRead) {
      this.workDone += 1
      this.forget(id)
    }
    return true
  }

  /** Whether the peer has yet to end its half of a stream that this side opened. */
  get awaitsPeer(): boolean {
    for (const stream of this.streams.values()) {
      if (this.isOurs(stream.id) && !stream.ended && !stream.isRead) return true
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

  // --- what its streams call ---------------------------------------------------------------------------------------

  onReadable(): void {
    // Streams that end with their connection are resumed, too: there is nothing to read then.
    if (this.host.failure() !== undefined) return
    // Counted here: others may have taken the room by the time that it is read.
    this.workDone += 1
    this.hasMore = true
    this.host.schedule()
  }

  onMore(): void {
    this.hasMore = true
  }

  onStop(stream: RecvStream, code: number): void {
    if (this.host.failure() !== undefined) return
    if (stream.discard(this.host.scratch)) {
      this.forget(stream.id)
      return
    }
    this.host.frames.held.stopped(stream.id)
    this.host.budget.willDrop(initialStreamWindow)
    try {
      this.native.streamShutdown(stream.id, shutdownRead, code)
      this.stopping ??= new Map()
      this.stopping.set(stream.id, 0)
    } catch {
      // The binding has dropped it: there is nothing to stop any more.
    }
    this.host.schedule()
  }

  onReset(): void {
    this.host.budget.wasReset()
  }

  onRead(stream: RecvStream, bytes: number, offset: number): void {
    this.workDone += 1
    this.bytesRead += bytes
    this.host.budget.read(bytes)
    this.host.frames.held.read(stream.id, offset)
  }

  // --- what the connection checks now and then ---------------------------------------------------------------------

  /**
   * How long a peer has gone on with a stream that it was asked to stop, in milliseconds, of all such streams the longest;
   * `elapsed` milliseconds after the last call. The binding does not repeat a STOP_SENDING frame that was lost, and gives
   * such a stream no more credit: its sender waits for ever.
   */
  oldestStop(elapsed: number): number {
    this.findEnds(Infinity)
    const { stopping } = this
    if (stopping === undefined) return 0
    let oldest = 0
    for (const [id, age] of stopping) {
      if (this.native.streamFinished(id)) {
        stopping.delete(id)
        this.forget(id)
      } else {
        stopping.set(id, age + elapsed)
        oldest = Math.max(oldest, age)
      }
    }
    return oldest
  }

  /** How many streams that this side opened have a receiving half that has not been read to its end. */
  get unreadPeerHalves(): number {
    let count = 0
    for (const { id, isRead } of this.streams.values()) {
      if (!isRead && !isUnidirectional(id) && this.isOurs(id)) count += 1
    }
    return count
  }

  /** Makes the receiving half of a stream that is not known yet. */
  private accept(id: number): RecvStream {
    this.workDone += 1
    const stream = new RecvStream(this, id)
    this.streams.set(id, stream)
    if (this.isOurs(id)) {
      // This side opened it and has forgotten it: what comes late is no new stream.
      stream.ignore()
      return stream
    }
    let send: AcceptedSend | undefined = undefined
    if (isUnidirectional(id)) this.nextUni = Math.max(this.nextUni, id + 4)
    else {
      this.nextBi = Math.max(this.nextBi, id + 4)
      send = this.host.acceptSend(id)
      send.setPeerHalf(stream)
    }
    stream.listen(this.host.events().onStream(stream, send))
    return stream
  }

  /** RFC 9000, section 2.1: the first bit is set for streams that the acceptor opened. */
  private isOurs(id: number): boolean {
    return ((id & 0x1) === 0) === this.host.dialled
  }
}

/** RFC 9000, section 2.1. */
const isUnidirectional = (id: number): boolean => (id & 0x2) !== 0
