/**
 * The sending half of a stream: what is queued on it, how much of that the binding has, and the callbacks that wait.
 */
import type { StreamStopped } from "@qp2p/core/StreamError"
import type { BackingSendStream, StreamContent, StreamFailure } from "@qp2p/core/Transport"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import { InferenceState } from "./ackInference.ts"
import { AckState } from "./ackState.ts"
import type { NativeConnection } from "../binding/native.ts"
import { failureOf, findAcknowledged, findStop, stoppedBy, streamClosed } from "./nativeSend.ts"
import { CreditState } from "./peerCredit.ts"
import type { StopCodes } from "./stopCodes.ts"
import { sendHighWater, sendQuantum } from "../tunables/streams.ts"

const empty = new Uint8Array(0)

type Done = (failure?: StreamFailure) => void

/** What a sending half needs of its connection. */
export interface SendOwner {
  readonly native: NativeConnection
  /** The codes of the stops that have come. */
  readonly stopCodes: StopCodes
  /** The half has something to write. */
  readonly enqueue: (half: SendStream) => void
  /** Changes the half's priority, wherever it is queued. */
  readonly reprioritize: (half: SendStream, priority: number) => void
  /** What the stream, which the peer opened, keeps of answers has changed by so many bytes. */
  readonly onAnswers: (change: number) => void
  /** The half was reset, with this code for the peer: it must not be written again. */
  readonly onReset: (half: SendStream, code: number) => void
}

/** What a sending half needs of its stream's receiving half. */
export interface PeerHalf {
  /** Whether its end has been read. */
  readonly isRead: boolean
  /** Whether it reports nothing any more. */
  readonly ended: boolean
  /** Whether it must not be read. */
  readonly isDeferred: boolean
  readonly deferReading: () => void
  readonly allowReading: () => void
}

/** The result of writing a stream. */
export type Written =
  /** The binding has everything that was queued. */
  | "drained"
  /** The congestion window or a flow-control window is full. */
  | "blocked"
  /** It wrote its quantum and has more. */
  | "yielded"
  /** It failed, and its callbacks were called. */
  | "ended"

/**
 * Implements `BackingSendStream`: it queues bytes until the binding takes them, and calls back for room, for acknowledgement
 * and for failure.
 */
export class SendStream implements BackingSendStream {
  readonly bidirectional: boolean
  /** Whether this is a probe stream: it goes before all others, and the backlog does not limit it. */
  readonly isProbe: boolean
  /** Higher first. Changed by the queue that the stream is in. */
  priority: number
  /** Bytes queued here, not yet taken by the binding. */
  pending = 0
  /** Bytes that the binding has taken. */
  written = 0
  finQueued = false
  finWritten = false
  ended = false

  // Each is changed by that class alone whose state it is.
  /** The state of `PeerCredit`. */
  readonly creditState = new CreditState()
  /** The state of `AckInference`. */
  readonly inferenceState = new InferenceState()
  /** The state of `Acknowledgements`. */
  readonly ackState = new AckState()

  private readonly owner: SendOwner
  private queued = false
  private streamId: number | undefined = undefined
  /** What is counted of the bytes queued here: only those on a stream that the peer opened. */
  private counted = 0
  private isAnswer = false
  private openTime = 0
  /** Whether the binding has seen the id. */
  private isKnown = false
  private otherHalf: PeerHalf | undefined = undefined
  private onOpened: ((id: number) => void) | undefined = undefined
  private onNeverOpened: ((failure: StreamFailure) => void) | undefined = undefined
  /** Makes what there is to write, once the stream has its turn. */
  private whole: ((most: number) => StreamContent) | undefined = undefined
  private readonly chunks: Array<Uint8Array> = []
  /** Bytes of the first chunk that the binding has taken. */
  private offset = 0
  /** Why it ended before its time, if it did. */
  private failure: StreamFailure | undefined = undefined
  private roomWaiters: Array<Done> | undefined = undefined
  private finDone: Done | undefined = undefined
  private stopListener: ((stopped: StreamStopped) => void) | undefined = undefined

  constructor(owner: SendOwner, bidirectional: boolean, priority: number, isProbe = false) {
    this.owner = owner
    this.bidirectional = bidirectional
    this.priority = priority
    this.isProbe = isProbe
  }

  /** Undefined until the peer has credit for the stream. */
  get id(): number | undefined {
    return this.streamId
  }

  /** Whether it waits to write, or is about to. */
  get isQueued(): boolean {
    return this.queued
  }

  /** When the stream got its id, in `performance.now()` milliseconds. */
  get openedAt(): number {
    return this.openTime
  }

  /** The receiving half of a bidirectional stream, from when the stream has an id until this half is over. */
  get peerHalf(): PeerHalf | undefined {
    return this.otherHalf
  }

  // --- what its owner calls ----------------------------------------------------------------------------------------

  write(bytes: Uint8Array, fin: boolean, done: Done): void {
    if (this.ended || this.finQueued) return done(this.failure ?? streamClosed())
    if (bytes.length > 0) {
      this.chunks.push(bytes)
      this.pending += bytes.length
      if (this.isAnswer) this.count()
    }
    if (fin) {
      this.finQueued = true
      this.finDone = done
    }
    this.owner.enqueue(this)
    if (fin) return
    if (this.ended) return done(this.failure)
    // Calling back at once lets a `finish` that follows ride on these bytes: a fin that is sent alone is fragile.
    if (this.pending <= sendHighWater) return done()
    ;(this.roomWaiters ??= []).push(done)
  }

  writeWhole(content: (most: number) => StreamContent, done: Done): void {
    if (this.ended || this.finQueued) return done(this.failure ?? streamClosed())
    this.finQueued = true
    this.finDone = done
    this.whole = content
    this.owner.enqueue(this)
  }

  onStopped(stopped: (failure: StreamStopped) => void): void {
    const { failure } = this
    if (failure?._tag === "StreamStopped") queueMicrotask(() => stopped(failure))
    else if (!this.ended) this.stopListener = stopped
  }

  setPriority(priority: number): void {
    if (!this.ended && priority !== this.priority) this.owner.reprioritize(this, priority)
  }

  reset(code: number): void {
    if (this.ended) return
    const { onNeverOpened } = this
    // The owner is still in this call: its callbacks run later.
    this.onNeverOpened = onNeverOpened && ((failure) => queueMicrotask(() => onNeverOpened(failure)))
    this.end(streamClosed())
    this.owner.onReset(this, ErrorCode.clamp(code))
  }

  /** Calls `onOpened` with the id as soon as the binding knows the stream, or `onNeverOpened` if it never will. */
  whenOpened(onOpened: (id: number) => void, onNeverOpened: (failure: StreamFailure) => void): void {
    this.onOpened = onOpened
    this.onNeverOpened = onNeverOpened
  }

  /** The owner has queued the half, until everything is written. */
  queue(): void {
    this.queued = true
  }

  // --- what opens it -----------------------------------------------------------------------------------------------

  /** Gives the stream its id. `isKnown` if the peer opened it, so that the binding has seen the id. */
  assignId(id: number, now: number, isKnown: boolean): void {
    this.streamId = id
    this.openTime = now
    this.isKnown = isKnown
  }

  /** The peer opened the stream: what is queued on it answers its questions. */
  countAnswers(): void {
    this.isAnswer = true
  }

  /** A long chunk is its owner's, and no copy: only so much of a stream can be one. */
  private count(): void {
    const counted = Math.min(this.pending, sendHighWater)
    if (counted === this.counted) return
    this.owner.onAnswers(counted - this.counted)
    this.counted = counted
  }

  setPeerHalf(half: PeerHalf): void {
    this.otherHalf = half
    if (this.finWritten && this.written === 0) half.deferReading()
  }

  /** The binding knows the stream now. */
  notifyOpened(): void {
    const { onOpened } = this
    if (onOpened === undefined) return
    this.onOpened = undefined
    this.onNeverOpened = undefined
    onOpened(this.streamId!)
  }

  /** Fixes what the stream has to write, of `most` weight if that can be, and returns what it weighs. */
  materialise(most: number): number {
    const { whole } = this
    if (whole === undefined) return this.pending
    this.whole = undefined
    const { bytes, weight } = whole(most)
    this.chunks.push(bytes)
    this.pending = bytes.length
    return weight
  }

  // --- what writes it ----------------------------------------------------------------------------------------------

  /** Hands queued bytes to the binding: up to `most`, or until it takes no more. */
  writeSome(most = sendQuantum): Written {
    const { native } = this.owner
    const id = this.streamId!
    let quantum = most
    try {
      while (this.chunks.length > 0) {
        if (quantum === 0) return "yielded"
        // Offered more than flow control lets through, the binding tells the peer that it is blocked. The peer
        // acknowledges that, which is an occasion to offer again: two idle peers would keep each other busy.
        const room = this.isKnown ? this.capacity() : quantum
        if (room === 0) return this.ended ? "ended" : "blocked"
        const chunk = this.chunks[0]!
        if (chunk.length <= this.offset && this.pending > 0) {
          // The chunk's buffer was transferred to another owner: what has left must not look whole.
          this.reset(0)
          return "ended"
        }
        const end = Math.min(chunk.length, this.offset + quantum, this.offset + room)
        const slice = this.offset === 0 && end === chunk.length ? chunk : chunk.subarray(this.offset, end)
        // A fin that travels alone after its data can be lost for good, so it goes with the last bytes.
        const fin = this.finQueued && end === chunk.length && this.chunks.length === 1
        const taken = native.streamSend(id, slice, fin)
        this.isKnown = true
        if (taken === null) {
          this.checkStopped()
          return this.ended ? "ended" : "blocked"
        }
        // A callback that reports room may reset the stream at once; the receiving half must exist by then.
        this.notifyOpened()
        this.advance(taken)
        quantum -= taken
        if (taken < slice.length) return "blocked"
        if (fin) this.finWritten = true
      }
      if (this.finQueued && this.written === 0) this.sendFin()
      this.queued = false
      return "drained"
    } catch (error) {
      this.end(failureOf(error))
      return "ended"
    }
  }

  /** Bytes that the binding would take now. Only right once it knows the stream; 0 too when the peer has stopped it. */
  capacity(): number {
    try {
      return this.owner.native.streamCapacity(this.streamId!)
    } catch (error) {
      this.end(stoppedBy(error, this.streamId!, this.owner.stopCodes))
      return 0
    }
  }

  /** Whether a fin waits to be sent with no bytes to carry it. */
  get needsLoneFin(): boolean {
    return this.finQueued && !this.finWritten && this.chunks.length === 0 && this.written > 0
  }

  /**
   * Whether a lone fin may be sent before everything else is acknowledged. The binding keeps a bidirectional stream until
   * its other half has been read to its end, and so repeats such a fin when it is lost. It forgets the fin all the same when
   * data of several packets is lost with it: see `AckState`.
   */
  get mayFinishEarly(): boolean {
    return this.otherHalf !== undefined && !this.otherHalf.isRead && !this.otherHalf.ended
  }

  /** Sends a lone fin. Only right once everything before it is acknowledged, or if it `mayFinishEarly`. */
  writeFin(): void {
    try {
      this.sendFin()
    } catch (error) {
      this.end(failureOf(error))
    }
  }

  private sendFin(): void {
    this.owner.native.streamSend(this.streamId!, empty, true)
    this.finWritten = true
    // The binding does not count a lone fin when it looks whether this half is acknowledged. It drops the stream as soon as
    // the other half is read to its end, and the fin with it, even one that has not left yet. So the other half is not read
    // before the fin has arrived.
    if (this.otherHalf !== undefined && !this.otherHalf.isRead) this.otherHalf.deferReading()
  }

  // --- what ends it ------------------------------------------------------------------------------------------------

  /** Whether the peer has acknowledged everything, fin included. Only right after `finWritten`. Ends one that it stopped. */
  checkAcknowledged(): boolean {
    const result = findAcknowledged(this.owner.native, this.streamId!, this.bidirectional, this.written)
    if (typeof result === "boolean") return result
    this.end(result)
    return false
  }

  /** Ends the stream if the peer has stopped it. Only right before `finWritten`. */
  checkStopped(): void {
    const stopped = findStop(this.owner.native, this.streamId!, this.owner.stopCodes)
    if (stopped !== undefined) this.end(stopped)
  }

  /** The peer has acknowledged everything. */
  complete(): void {
    this.ended = true
    this.releasePeerHalf()
    const done = this.finDone
    this.finDone = undefined
    done?.()
  }

  end(failure: StreamFailure): void {
    if (this.ended) return
    this.ended = true
    this.failure = failure
    this.releasePeerHalf()
    this.whole = undefined
    this.chunks.length = 0
    this.pending = 0
    if (this.isAnswer) this.count()
    const waiters = this.roomWaiters
    const done = this.finDone
    this.roomWaiters = undefined
    this.finDone = undefined
    if (waiters !== undefined) for (const waiter of waiters) waiter(failure)
    done?.(failure)
    if (failure._tag === "StreamStopped") this.stopListener?.(failure)
    this.stopListener = undefined
    this.onNeverOpened?.(failure)
    this.onOpened = undefined
    this.onNeverOpened = undefined
  }

  /** Allows the receiving half to be read, and forgets it: a reference would keep it from being collected as garbage. */
  private releasePeerHalf(): void {
    this.otherHalf?.allowReading()
    this.otherHalf = undefined
  }

  private advance(taken: number): void {
    this.written += taken
    this.pending -= taken
    if (this.isAnswer) this.count()
    this.offset += taken
    if (this.offset === this.chunks[0]!.length) {
      this.chunks.shift()
      this.offset = 0
    }
    if (this.roomWaiters !== undefined && this.pending <= sendHighWater) {
      const waiters = this.roomWaiters
      this.roomWaiters = undefined
      for (const waiter of waiters) waiter()
    }
  }
}
