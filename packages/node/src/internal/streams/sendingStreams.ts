/**
 * The streams of a connection that have an id and an unfinished sending half, and the ids of those to come.
 */
import type { OpeningBlocked } from "./heldStreams.ts"
import { maxOpenStreams, streamCredit } from "../tunables/streams.ts"

/** Probe streams that may be open beyond `maxOpenStreams`. */
const maxProbeStreams = 64

/** What this collection needs of a stream. */
export interface SendingStream {
  readonly id: number | undefined
  readonly finQueued: boolean
  /** Bytes that the binding has taken. */
  readonly written: number
}

/**
 * The set of streams that take up places, with up to `maxOpenStreams` opened by this side, and the next stream id of each
 * kind.
 */
export class SendingStreams<S extends SendingStream> {
  private readonly streams = new Set<S>()
  /** How many of them this side opened. */
  private ours = 0
  private readonly dialled: boolean
  private nextUni: number
  private nextBi: number

  constructor(dialled: boolean) {
    this.dialled = dialled
    // RFC 9000, section 2.1: the two low bits tell which side opened a stream and which kind it is.
    this.nextBi = dialled ? 0 : 1
    this.nextUni = dialled ? 2 : 3
  }

  /** Iterates over the streams, which may be removed during the iteration. */
  [Symbol.iterator](): Iterator<S> {
    return this.streams.values()
  }

  /**
   * The id of the next stream that this side opens. Ids are given out in order, and only when the peer has credit: a skipped
   * or refused id would use it up.
   */
  nextId(bidirectional: boolean): number {
    const id = bidirectional ? this.nextBi : this.nextUni
    if (bidirectional) this.nextBi += 4
    else this.nextUni += 4
    return id
  }

  add(stream: S): void {
    this.streams.add(stream)
    if (this.isOurs(stream)) this.ours += 1
  }

  /** False if the stream was not here. */
  delete(stream: S): boolean {
    if (!this.streams.delete(stream)) return false
    if (this.isOurs(stream)) this.ours -= 1
    return true
  }

  clear(): void {
    this.streams.clear()
    this.ours = 0
  }

  /** Whether another stream may be opened beside those that are open. */
  get mayOpen(): boolean {
    return this.ours < maxOpenStreams
  }

  /** Whether another probe stream may be opened. */
  get mayProbe(): boolean {
    return this.ours < maxOpenStreams + maxProbeStreams
  }

  /** Whether something was written on one of them. */
  get hasWritten(): boolean {
    for (const stream of this.streams) if (stream.written > 0) return true
    return false
  }

  /**
   * Which streams keep others from being opened; `unopened` wait on this side for a place. `unreadPeerHalves` counts the
   * streams of this side whose receiving halves have not been read to their ends, if bidirectional ones wait for credit.
   */
  findBlocking(unopened: number, unreadPeerHalves: (() => number) | undefined): OpeningBlocked | undefined {
    const opened = this.nextUni + this.nextBi
    if (!this.mayOpen && unopened > 0) {
      // As long as one is being finished, its place will be free.
      const count = this.countUnfinished(true)
      return count === this.ours ? { kind: "UnfinishedSends", count, opened } : undefined
    }
    if (unreadPeerHalves !== undefined) return { kind: "UnreadAnswers", count: unreadPeerHalves(), opened }
    if (this.streams.size - this.ours < streamCredit) return undefined
    const count = this.countUnfinished(false)
    return count >= streamCredit ? { kind: "UnfinishedReplies", count, opened: 0 } : undefined
  }

  private countUnfinished(ours: boolean): number {
    let count = 0
    for (const stream of this.streams) if (!stream.finQueued && this.isOurs(stream) === ours) count += 1
    return count
  }

  private isOurs(stream: S): boolean {
    return (stream.id! & 0x1) === (this.dialled ? 0 : 1)
  }
}
