/**
 * The sending half of a stream: what is queued on it, and who waits for what.
 */
import { StreamClosed, StreamStopped } from "@qp2p/core/StreamError"
import type { BackingSendStream, StreamContent, StreamFailure } from "@qp2p/core/Transport"
import * as ErrorCode from "@qp2p/core/ErrorCode"
import { codeOf, untraced } from "../binding/errorCodes.ts"
import type { NativeConnection } from "../binding/native.ts"
import type { Entry } from "./peerBacklog.ts"
import type { RecvStream } from "./recvStream.ts"
import type { Proof } from "./ackInference.ts"
import { sendHighWater, sendQuantum } from "../tunables.ts"

const empty = new Uint8Array(0)

type Done = (failure?: StreamFailure) => void

/** What a sending half needs of its connection. */
export interface SendOwner {
  readonly native: NativeConnection
  /** The half has something to write. */
  readonly enqueue: (half: SendStream) => void
  /** The half is over; it must not be written again. */
  readonly discard: (half: SendStream, code: number) => void
  readonly reprioritize: (half: SendStream, priority: number) => void
}

/** What came of writing a stream. */
export type Written =
  /** Everything queued is with the binding. */
  | "drained"
  /** The congestion window or a flow-control window is full. */
  | "blocked"
  /** It wrote its quantum and has more. */
  | "yielded"
  /** It failed; whoever waited has been told. */
  | "ended"

export class SendStream implements BackingSendStream {
  /** Undefined until the peer has credit for it. */
  id: number | undefined = undefined
  /** Whether the binding has seen that id. */
  known = false
  readonly bidirectional: boolean
  priority: number
  /** Bytes queued here, not yet taken by the binding. */
  pending = 0
  /** Bytes that the binding has taken. */
  written = 0
  finQueued = false
  finWritten = false
  ended = false
  /** Whether the connection's queue holds it; or the other queue, of those that wait for the peer to read. */
  queued = false
  isHeld = false
  /** Sent to learn something of the peer, and so not held. */
  isProbe = false
  /** What it counts among those that the peer may not have read. */
  unread: Entry | undefined = undefined
  /** Since when it is to be found out whether its bytes were lost, and what is known of that: see `Settling.settled`. */
  settleFrom = 0
  proof: Proof | undefined = undefined
  /** Where and with how much it counts among the long messages under way. */
  long: { readonly priority: number; readonly bytes: number } | undefined = undefined
  /** When its fin was written. */
  finAt = 0
  /** When it was begun. */
  begunAt = 0
  /** The first packet that anything of it may be in, the first that its fin may be in, and the last: -1 until known. */
  firstPacket = -1
  finPacket = -1
  lastPacket = -1
  /** Whether its fin left alone while data of it was in flight: it may have been forgotten unless it was acknowledged. */
  finInDoubt = false
  /** The other half of a bidirectional stream, once it has an id. */
  answer: RecvStream | undefined = undefined
  /** Told the id as soon as the binding knows the stream; or why it never will. */
  onId: ((id: number) => void) | undefined = undefined
  onNoId: ((failure: StreamFailure) => void) | undefined = undefined

  private readonly owner: SendOwner
  /** Yields what there is to write, once the stream has its turn. */
  private whole: ((most: number) => StreamContent) | undefined = undefined
  private readonly chunks: Array<Uint8Array> = []
  private offset = 0
  /** Why it ended before its time, if it did. */
  private failure: StreamFailure | undefined = undefined
  private roomWaiters: Array<Done> | undefined = undefined
  private finDone: Done | undefined = undefined

  constructor(owner: SendOwner, bidirectional: boolean, priority: number) {
    this.owner = owner
    this.bidirectional = bidirectional
    this.priority = priority
  }

  write(bytes: Uint8Array, fin: boolean, done: Done): void {
    if (this.ended || this.finQueued) return done(this.failure ?? gone())
    if (bytes.length > 0) {
      this.chunks.push(bytes)
      this.pending += bytes.length
    }
    if (fin) {
      this.finQueued = true
      this.finDone = done
    }
    this.owner.enqueue(this)
    if (fin) return
    if (this.ended) return done(this.failure)
    // Answering at once lets a `finish` that follows ride on these bytes: a fin that is sent alone is fragile.
    if (this.pending <= sendHighWater) return done()
    ;(this.roomWaiters ??= []).push(done)
  }

  writeWhole(content: (most: number) => StreamContent, done: Done): void {
    if (this.ended || this.finQueued) return done(this.failure ?? gone())
    this.finQueued = true
    this.finDone = done
    this.whole = content
    this.owner.enqueue(this)
  }

  /** Its turn has come: what it has to write is known from now on, and what that weighs, `most` if that can be. */
  settleContent(most: number): number {
    const { whole } = this
    if (whole === undefined) return this.pending
    this.whole = undefined
    const { bytes, weight } = whole(most)
    this.chunks.push(bytes)
    this.pending = bytes.length
    return weight
  }

  setPriority(priority: number): void {
    if (!this.ended && priority !== this.priority) this.owner.reprioritize(this, priority)
  }

  reset(code: number): void {
    if (this.ended) return
    const { onNoId } = this
    // Its owner is in the midst of this call; what follows from it is told after.
    this.onNoId = onNoId && ((failure) => queueMicrotask(() => onNoId(failure)))
    this.end(gone())
    this.owner.discard(this, ErrorCode.clamp(code))
  }

  /** Whether a fin waits to be sent with no bytes to carry it. */
  get bareFin(): boolean {
    return this.finQueued && !this.finWritten && this.chunks.length === 0 && this.written > 0
  }

  /**
   * Whether its fin may be sent alone before everything else is acknowledged. The binding keeps a bidirectional stream until
   * its other half has been read to its end, and so repeats such a fin when it is lost. It forgets it all the same when
   * data of several packets is lost with it: see `finInDoubt`.
   */
  get mayFinishAhead(): boolean {
    return this.answer !== undefined && !this.answer.over && !this.answer.ended
  }

  /** Hands queued bytes to the binding: up to a quantum, or until it takes no more. */
  writeSome(): Written {
    const { native } = this.owner
    const id = this.id!
    let quantum = sendQuantum
    try {
      while (this.chunks.length > 0) {
        if (quantum === 0) return "yielded"
        // Offered more than flow control lets through, the binding tells the peer that it is blocked. The peer
        // acknowledges that, which is an occasion to offer again: two idle peers would keep each other busy.
        const room = this.known ? this.capacity() : quantum
        if (room === 0) return this.ended ? "ended" : "blocked"
        const chunk = this.chunks[0]!
        if (chunk.length <= this.offset && this.pending > 0) return this.bereft()
        const end = Math.min(chunk.length, this.offset + quantum, this.offset + room)
        const slice = this.offset === 0 && end === chunk.length ? chunk : chunk.subarray(this.offset, end)
        // A fin that travels alone after its data can be lost for good, so it goes with the last bytes.
        const fin = this.finQueued && end === chunk.length && this.chunks.length === 1
        const taken = native.streamSend(id, slice, fin)
        this.known = true
        if (taken === null) {
          this.checkStopped()
          return this.ended ? "ended" : "blocked"
        }
        // Whoever is told that there is room may reset the stream at once, and answers to it must find somebody then.
        this.begun()
        this.advance(taken)
        quantum -= taken
        if (taken < slice.length) return "blocked"
        if (fin) this.finWritten = true
      }
      if (this.finQueued && this.written === 0) this.sendFin()
      return "drained"
    } catch (error) {
      return this.fail(failureOf(error))
    }
  }

  /** Whoever wrote the chunk has transferred its bytes to somewhere else: what has left must not look whole. */
  private bereft(): "ended" {
    this.reset(0)
    return "ended"
  }

  /** Bytes that the binding would take now. Only right once it knows the stream; 0 too when the peer has stopped it. */
  capacity(): number {
    try {
      return this.owner.native.streamCapacity(this.id!)
    } catch (error) {
      this.wasStopped(error)
      return 0
    }
  }

  /** Sends the fin alone. Only right once everything before it is acknowledged, or when it `mayFinishAhead`. */
  writeFin(): void {
    try {
      this.sendFin()
    } catch (error) {
      this.fail(failureOf(error))
    }
  }

  private sendFin(): void {
    this.owner.native.streamSend(this.id!, empty, true)
    this.finWritten = true
    // A fin that travels alone is not counted when the binding looks whether this half is acknowledged. It drops the
    // stream as soon as the other half is read to its end, and the fin with it, even one that has not left yet. So the
    // answer is not read before the fin has arrived.
    if (this.answer !== undefined && !this.answer.over) this.answer.held = true
  }

  /** Asks the binding whether the peer has acknowledged everything, fin included. Only right after `finWritten`. */
  confirmed(): boolean {
    const { native } = this.owner
    const id = this.id!
    // The binding drops a stream when all of it is acknowledged. For a stream of ours that only sends, that is when
    // `streamFinished` turns true: its receiving half never finishes. (Probing with an empty `streamSend`, the other
    // way to see it, puts an empty frame on the wire each time.)
    if (!this.bidirectional && this.written <= sendQuantum) return native.streamFinished(id)
    // Long streams are also watched for a peer that stops them, which `streamFinished` would hide.
    try {
      untraced(() => native.streamWritable(id, 0))
      return false
    } catch (error) {
      const code = codeOf(error, "StreamStopped")
      if (code === undefined) return true
      this.fail(new StreamStopped({ code }))
      return false
    }
  }

  /** The peer has acknowledged everything. */
  succeed(): void {
    this.ended = true
    this.releaseAnswer()
    const done = this.finDone
    this.finDone = undefined
    done?.()
  }

  end(failure: StreamFailure): void {
    if (this.ended) return
    this.ended = true
    this.failure = failure
    this.releaseAnswer()
    this.whole = undefined
    this.chunks.length = 0
    this.pending = 0
    const waiters = this.roomWaiters
    const done = this.finDone
    this.roomWaiters = undefined
    this.finDone = undefined
    if (waiters !== undefined) for (const waiter of waiters) waiter(failure)
    done?.(failure)
    this.onNoId?.(failure)
    this.onId = undefined
    this.onNoId = undefined
  }

  /** Whoever waits for this half to be let go of must not keep alive, by the other one, who would let go of it. */
  private releaseAnswer(): void {
    this.answer?.release()
    this.answer = undefined
  }

  /** The binding knows the stream now. */
  begun(): void {
    const { onId } = this
    if (onId === undefined) return
    this.onId = undefined
    this.onNoId = undefined
    onId(this.id!)
  }

  /** Notices that the peer has stopped the stream. Only right before `finWritten`: later its end looks the same. */
  checkStopped(): void {
    try {
      this.owner.native.streamWritable(this.id!, 0)
    } catch (error) {
      this.wasStopped(error)
    }
  }

  /** The binding drops a stream that was stopped, and the code with it, perhaps before anybody could ask. */
  private wasStopped(error: unknown): void {
    this.end(new StreamStopped({ code: codeOf(error, "StreamStopped") ?? 0 }))
  }

  private fail(failure: StreamFailure): "ended" {
    this.end(failure)
    return "ended"
  }

  private advance(taken: number): void {
    this.written += taken
    this.pending -= taken
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

const gone = (): StreamClosed => untraced(() => new StreamClosed())

const failureOf = (error: unknown): StreamFailure => {
  const code = codeOf(error, "StreamStopped")
  return code === undefined ? gone() : new StreamStopped({ code })
}
