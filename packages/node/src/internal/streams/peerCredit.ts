/**
 * Decides which streams the peer lets this side open, and keeps those that have to wait: for credit of the peer's QUIC (RFC
 * 9000, section 4.6), or, if they are unidirectional, until the peer's application has read others (`PeerBacklog`).
 */
import type { NativeConnection } from "../binding/native.ts"
import { type BacklogEntry, PeerBacklog } from "./peerBacklog.ts"
import { type QueuedStream, SendQueue } from "./sendQueue.ts"
import { firstCreditProbe, initialStreamWindow, longestCreditProbe, maxReleased } from "../tunables/streams.ts"

/** What `PeerCredit` keeps of a stream. It is made with the stream, and `PeerCredit` alone changes it. */
export class CreditState {
  /** Whether the stream waits for the peer's application. */
  isBacklogLimited = false
  /** What the stream counts in the backlog, if it is unidirectional and opened. */
  backlogEntry: BacklogEntry | undefined = undefined
}

/** What the credit needs of a stream. */
export interface CreditedStream extends QueuedStream {
  readonly bidirectional: boolean
  /** Whether this is a probe stream: the backlog does not limit it. */
  readonly isProbe: boolean
  /** Bytes that the binding has taken. */
  readonly written: number
  readonly creditState: CreditState
  /** Fixes what the stream has to write, of `most` weight if that can be, and returns what it weighs. */
  readonly materialise: (most: number) => number
}

/** What the credit needs of the sending side. */
export interface PeerCreditHost<S> {
  readonly native: NativeConnection
  /** A stream that has waited may be opened. */
  readonly requeue: (stream: S) => void
  /** Opens an empty stream that goes before all others. */
  readonly openProbeStream: () => void
}

/**
 * Admits streams within the stream limits of the peer (RFC 9000, section 4.6) and its backlog, keeps those that wait, and
 * probes for credit that was lost.
 */
export class PeerCredit<S extends CreditedStream> {
  private readonly host: PeerCreditHost<S>
  /** Streams that wait for credit of their kind. */
  private streamLimited: Set<S> | undefined = undefined
  /** Unidirectional streams that wait for the peer's application to read others. */
  private readonly backlogLimited = new SendQueue<S>()
  private readonly backlog = new PeerBacklog()
  /** Whether the last release let as many go on as a turn may, and none of them had to wait again. */
  private isReleasing = false
  /** When the next probe is due that asks for credit which may have been lost, and how long after the one before. */
  private probeAt = Infinity
  private probeInterval = firstCreditProbe

  constructor(host: PeerCreditHost<S>) {
    this.host = host
  }

  /** How many streams wait for credit of the peer's QUIC. */
  get streamLimitedSize(): number {
    return this.streamLimited?.size ?? 0
  }

  /** How many streams wait for the peer's application. */
  get backlogLimitedSize(): number {
    return this.backlogLimited.size
  }

  /** Whether bidirectional streams wait for credit. */
  get limitsBidirectional(): boolean {
    if (this.streamLimited === undefined) return false
    for (const { bidirectional } of this.streamLimited) if (bidirectional) return true
    return false
  }

  /** Whether others may go on in the next turn without any news of the peer. */
  get hasMore(): boolean {
    return this.isReleasing && this.backlogLimited.size > 0
  }

  /** When the next turn is due at the latest, in `performance.now()` milliseconds. */
  get deadline(): number {
    return this.probeAt
  }

  /** Whether the stream may be opened now; then what it has to write is fixed. If it may not, it waits here. */
  admit(stream: S, now: number): boolean {
    const { native } = this.host
    const left = stream.bidirectional ? native.peerStreamsLeftBidi() : native.peerStreamsLeftUni()
    if (left <= 0) {
      this.streamLimited ??= new Set()
      this.streamLimited.add(stream)
      return false
    }
    if (stream.bidirectional) {
      stream.materialise(Infinity)
      return true
    }
    this.backlog.observe(left)
    if (!stream.isProbe && !this.backlog.hasRoom(left)) {
      this.waitForReader(stream, now, left)
      return false
    }
    const weight = stream.materialise(this.backlog.share)
    stream.creditState.backlogEntry = this.backlog.add(Math.min(weight, initialStreamWindow))
    return true
  }

  /** The stream has sent something. */
  grow(stream: S): void {
    const { backlogEntry } = stream.creditState
    if (backlogEntry !== undefined) this.backlog.grow(backlogEntry, stream.written)
  }

  /** Lets those streams go on for which there is credit again. */
  releaseStreamLimited(): void {
    if (this.streamLimited === undefined) return
    const { native } = this.host
    const uni = native.peerStreamsLeftUni()
    const bidi = native.peerStreamsLeftBidi()
    for (const stream of this.streamLimited) {
      if ((stream.bidirectional ? bidi : uni) <= 0) continue
      this.streamLimited.delete(stream)
      this.host.requeue(stream)
    }
  }

  /** Lets streams go on, the highest priority first, as far as the peer's application has made room. Returns how many. */
  releaseBacklogLimited(now: number): number {
    const left = this.host.native.peerStreamsLeftUni()
    this.backlog.observe(left)
    this.isReleasing = this.backlog.hasRoom(left)
    if (!this.isReleasing) {
      this.probe(now, left)
      return 0
    }
    const count = Math.min(this.backlogLimited.size, maxReleased)
    for (let i = 0; i < count; i++) {
      const stream = this.backlogLimited.take(true)!
      stream.creditState.isBacklogLimited = false
      this.host.requeue(stream)
    }
    // Those for which there is no room after all come back.
    this.probeAt = Infinity
    return count
  }

  /** Returns whether the stream waited here. */
  remove(stream: S): boolean {
    if (this.streamLimited?.delete(stream) === true) return true
    if (!stream.creditState.isBacklogLimited) return false
    stream.creditState.isBacklogLimited = false
    this.backlogLimited.remove(stream)
    if (this.backlogLimited.size === 0) this.probeAt = Infinity
    return true
  }

  /** Changes the priority of a stream that waits here. Returns whether it does. */
  reprioritize(stream: S, priority: number): boolean {
    if (this.streamLimited?.has(stream) === true) stream.priority = priority
    else if (stream.creditState.isBacklogLimited) this.backlogLimited.reprioritize(stream, priority)
    else return false
    return true
  }

  /** Returns all streams that wait, and keeps none. */
  drain(): ReadonlyArray<S> {
    const streams = [...(this.streamLimited ?? []), ...this.backlogLimited.drain()]
    this.streamLimited = undefined
    this.probeAt = Infinity
    return streams
  }

  private waitForReader(stream: S, now: number, left: number): void {
    stream.creditState.isBacklogLimited = true
    this.isReleasing = false
    this.backlogLimited.push(stream)
    if (this.probeAt < Infinity) return
    this.probeInterval = firstCreditProbe
    this.probeAt = now + this.probeInterval
    for (let i = this.backlog.probesNeeded(left); i > 0; i--) this.host.openProbeStream()
  }

  /**
   * The peer has given no credit for a while. Either its application reads nothing; or the frame was lost that gave it,
   * which the peer's QUIC need not repeat. It gives more when it has read further streams: empty ones will do. The last
   * stream that there is credit for is kept: with none left, only a packet of the peer's can change anything, and that
   * brings a turn.
   */
  private probe(now: number, left: number): void {
    if (left <= 1) {
      this.probeAt = Infinity
      return
    }
    if (this.probeAt === Infinity) this.probeAt = now + this.probeInterval
    if (now < this.probeAt) return
    this.probeInterval = Math.min(2 * this.probeInterval, longestCreditProbe)
    this.probeAt = now + this.probeInterval
    for (let i = Math.min(this.backlog.probesNeededAfterLoss, left - 1); i > 0; i--) this.host.openProbeStream()
  }
}
