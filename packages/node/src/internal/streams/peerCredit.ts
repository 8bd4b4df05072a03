/**
 * Which streams the peer lets this side begin, and the streams that wait for that: for credit of its QUIC's (RFC 9000,
 * section 4.6), or, if they go one way, until its application has read others (`PeerBacklog`).
 */
import type { NativeConnection } from "../binding/native.ts"
import { PeerBacklog } from "./peerBacklog.ts"
import { SendQueue } from "./sendQueue.ts"
import type { SendStream } from "./sendStream.ts"
import { firstCreditProbe, initialStreamWindow, longestCreditProbe, maxReleased } from "../tunables.ts"

/** What it needs of the sending side. */
export interface CreditHost {
  readonly native: NativeConnection
  /** A stream that has waited may be begun. */
  readonly requeue: (stream: SendStream) => void
  /** Opens an empty stream that goes before all others. */
  readonly mark: () => void
}

const always = () => true

const none = new Set<SendStream>()

export class PeerCredit {
  private readonly host: CreditHost
  /** Streams of kinds that the peer has no credit for. */
  private limited: Set<SendStream> | undefined = undefined
  /** Unidirectional streams that wait for the peer's application to read others, and what it may have unread. */
  private readonly held = new SendQueue()
  private readonly backlog = new PeerBacklog()
  /** Whether as many were released as a turn lets go on, and none of them was held anew. */
  private isReleasing = false
  /** When credit that the peer may have given is asked for, and how long after the time before. */
  private probeAt = Infinity
  private probeInterval = firstCreditProbe

  constructor(host: CreditHost) {
    this.host = host
  }

  /** How many streams wait for the peer's QUIC. */
  get limitedSize(): number {
    return this.limited?.size ?? 0
  }

  /** How many wait for its application. */
  get heldSize(): number {
    return this.held.size
  }

  /** Whether there are bidirectional ones among them. */
  get hasBidirectional(): boolean {
    for (const { bidirectional } of this.limited ?? none) if (bidirectional) return true
    return false
  }

  /** Whether others may go on in the next turn without any news of the peer. */
  get hasMore(): boolean {
    return this.isReleasing && this.held.size > 0
  }

  /** When it wants its next turn at the latest, in `performance.now()` milliseconds. */
  get deadline(): number {
    return this.probeAt
  }

  /** Whether the stream may be begun now, and then what it has to write is settled. If not, it waits here. */
  admit(stream: SendStream, now: number): boolean {
    const { native } = this.host
    const left = stream.bidirectional ? native.peerStreamsLeftBidi() : native.peerStreamsLeftUni()
    if (left <= 0) {
      this.limited ??= new Set()
      this.limited.add(stream)
      return false
    }
    if (stream.bidirectional) {
      stream.settleContent(Infinity)
      return true
    }
    this.backlog.observe(left)
    if (!stream.isProbe && !this.backlog.hasRoom(left)) {
      this.hold(stream, now, left)
      return false
    }
    const weight = stream.settleContent(this.backlog.share)
    stream.unread = this.backlog.begin(Math.min(weight, initialStreamWindow))
    return true
  }

  /** The stream has sent something. */
  grown(stream: SendStream): void {
    if (stream.unread !== undefined) this.backlog.grown(stream.unread, stream.written)
  }

  /** Releases the streams for which there is credit again. */
  releaseLimited(): void {
    const { limited = none } = this
    const { native } = this.host
    const uni = native.peerStreamsLeftUni()
    const bidi = native.peerStreamsLeftBidi()
    for (const stream of limited) {
      if ((stream.bidirectional ? bidi : uni) <= 0) continue
      limited.delete(stream)
      this.host.requeue(stream)
    }
  }

  /** Releases streams that were held, the highest priority first, as far as the peer has made room. Answers how many. */
  releaseHeld(now: number): number {
    const left = this.host.native.peerStreamsLeftUni()
    this.backlog.observe(left)
    this.isReleasing = this.backlog.hasRoom(left)
    if (!this.isReleasing) {
      this.probe(now, left)
      return 0
    }
    const count = Math.min(this.held.size, maxReleased)
    for (let i = 0; i < count; i++) {
      const stream = this.held.take(true, always)!
      stream.isHeld = false
      this.host.requeue(stream)
    }
    // Those for which there is no room after all are held anew.
    this.probeAt = Infinity
    return count
  }

  /** Answers whether the stream was here. */
  remove(stream: SendStream): boolean {
    if (this.limited?.delete(stream) === true) return true
    if (!stream.isHeld) return false
    stream.isHeld = false
    this.held.remove(stream)
    if (this.held.size === 0) this.probeAt = Infinity
    return true
  }

  /** The stream is about to have this priority. Answers whether it is here. */
  reprioritize(stream: SendStream, priority: number): boolean {
    if (this.limited?.has(stream) === true) return true
    if (!stream.isHeld) return false
    this.held.remove(stream)
    stream.priority = priority
    this.held.push(stream)
    return true
  }

  /** Yields all that wait, and keeps none. */
  drain(): ReadonlyArray<SendStream> {
    const streams = [...(this.limited ?? none), ...this.held.drain()]
    this.limited = undefined
    this.probeAt = Infinity
    return streams
  }

  private hold(stream: SendStream, now: number, left: number): void {
    stream.isHeld = true
    this.isReleasing = false
    this.held.push(stream)
    if (this.probeAt < Infinity) return
    this.probeInterval = firstCreditProbe
    this.probeAt = now + this.probeInterval
    for (let i = this.backlog.untold(left); i > 0; i--) this.host.mark()
  }

  /**
   * The peer has given no credit for a while. Either its application reads nothing; or the frame was lost that gave it,
   * which the peer's QUIC need not repeat. It gives more when it has read further streams: empty ones will do. The last
   * that it has credit for is kept: with none left, only a packet of the peer's can change anything, and that brings a turn.
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
    for (let i = Math.min(this.backlog.lost, left - 1); i > 0; i--) this.host.mark()
  }
}
