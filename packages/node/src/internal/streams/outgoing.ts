/**
 * The sending side of a connection: opens streams, writes what is queued on them, and holds the streams that wait.
 */
import { StreamStopped } from "@qp2p/core/StreamError"
import type { StreamFailure } from "@qp2p/core/Transport"
import { Acknowledgements, type AcknowledgementsHost, type AcknowledgementsOwner } from "./acknowledgements.ts"
import { BackgroundWindow } from "./backgroundWindow.ts"
import { BulkLimit } from "./bulkLimit.ts"
import type { OpeningBlocked } from "./heldStreams.ts"
import type { NativeConnection } from "../binding/native.ts"
import { PeerCredit, type PeerCreditHost } from "./peerCredit.ts"
import { ProbeTimer } from "./probeTimer.ts"
import { SendQueue } from "./sendQueue.ts"
import { SendingStreams } from "./sendingStreams.ts"
import { type SendOwner, SendStream } from "./sendStream.ts"
import { StopCodes } from "./stopCodes.ts"
import { maxBlockedTries, maxReleased, sendQuantum } from "../tunables/streams.ts"

const nothing = new Uint8Array(0)

/** What the sending side needs of its connection. */
export interface OutgoingHost extends AcknowledgementsHost {
  readonly dialled: boolean
  /** Why the connection is over, if it is. */
  readonly failure: () => StreamFailure | undefined
}

/**
 * Owns the sending halves of one connection: it opens them within the credit, queues them by priority, and writes them into
 * the binding.
 */
export class Outgoing implements SendOwner, AcknowledgementsOwner, PeerCreditHost<SendStream> {
  readonly native: NativeConnection
  readonly stopCodes = new StopCodes()
  private readonly host: OutgoingHost
  private written = 0
  private answers = 0
  private workDone = 0
  private congested = false
  /** Made when a timer of the binding expires. */
  private probeTimer: ProbeTimer | undefined = undefined
  /** Whether streams waited, when there was last something to write, because as many are open as may be. */
  private waitsForPlace = false
  /**
   * Bidirectional streams that nothing was written on yet: their receiving halves may be waited for already. Made with the first
   * one.
   */
  private unwritten: Set<SendStream> | undefined = undefined
  private readonly queue = new SendQueue<SendStream>()
  /** Probe streams in the queue. */
  private probesQueued = 0
  private readonly bulk = new BulkLimit()
  /** Made with the first stream of a negative priority. */
  private background: BackgroundWindow | undefined = undefined
  /** Streams that wait until the peer lets them be opened. */
  private readonly credit: PeerCredit<SendStream>
  /** Streams whose own window is full while the congestion window is not. */
  private flowBlocked: Array<SendStream> = []
  /** A stream with its whole window left that could write nothing: until it can, the congestion window is full. */
  private congestionProbe: SendStream | undefined = undefined
  private readonly sending: SendingStreams<SendStream>
  private readonly acknowledgements: Acknowledgements

  constructor(host: OutgoingHost) {
    this.host = host
    this.native = host.native
    this.sending = new SendingStreams(host.dialled)
    this.acknowledgements = new Acknowledgements(host, this)
    this.credit = new PeerCredit(this)
  }

  // --- what the connection calls -----------------------------------------------------------------------------------

  open(bidirectional: boolean, priority: number): SendStream {
    const stream = new SendStream(this, bidirectional, priority)
    if (bidirectional && this.host.failure() === undefined) (this.unwritten ??= new Set()).add(stream)
    return stream
  }

  /** Makes the sending half of a stream that the peer opened. */
  acceptSend(id: number): SendStream {
    const stream = new SendStream(this, true, 0)
    stream.assignId(id, 0, true)
    stream.countAnswers()
    this.sending.add(stream)
    return stream
  }

  /** Counts streams that made progress; a connection whose count stands still while it `awaitsPeerTransport` has stalled. */
  get progress(): number {
    return this.written + this.acknowledgements.progress
  }

  /** Counts streams that were begun, ended or reset, and packets that were asked for, to notice turns that do nothing. */
  get work(): number {
    return this.workDone + this.acknowledgements.work
  }

  /** How much memory holds answers to the peer's questions that have not been sent, in bytes. */
  get queuedAnswers(): number {
    return this.answers
  }

  /** Whether the windows were full when there last was something to write. */
  get isCongested(): boolean {
    return this.congested
  }

  /**
   * Whether something waits for what only the peer's QUIC can give: credit for streams, or an acknowledgement. A full window
   * does not count: that is a peer whose application takes its time.
   */
  get awaitsPeerTransport(): boolean {
    return this.credit.streamLimitedSize > 0 || this.acknowledgements.isWaiting
  }

  /** Whether something is yet to be sent or acknowledged, or a stream is open. */
  get awaitsPeer(): boolean {
    const { credit, flowBlocked, queue, sending } = this
    if (queue.size + credit.streamLimitedSize + credit.backlogLimitedSize + flowBlocked.length > 0) return true
    return sending.hasWritten
  }

  /** Which streams keep others from being opened; see `SendingStreams.findBlocking`. */
  findBlocking(unreadPeerHalves: () => number): OpeningBlocked | undefined {
    const { limitsBidirectional } = this.credit
    return this.sending.findBlocking(this.queue.unopened, limitsBidirectional ? unreadPeerHalves : undefined)
  }

  /**
   * Packets have come: one of them may have stopped streams, whose codes can only be had now. The binding drops what a stopped
   * stream has not sent, and then takes the stream for acknowledged. So a stream whose fin was written ends by the frame alone.
   */
  checkStopped(): void {
    const { stopCodes } = this
    for (const stream of this.sending) {
      if (!stream.finWritten) stream.checkStopped()
      else if (!stopCodes.isEmpty) {
        const code = stopCodes.of(stream.id!)
        if (code !== undefined) stream.end(new StreamStopped({ code }))
      }
      if (stream.ended) this.forget(stream)
    }
    stopCodes.clear()
  }

  /** One of the binding's timers has expired. */
  expired(): void {
    ;(this.probeTimer ??= new ProbeTimer(this.host.native)).expired()
    this.acknowledgements.expired()
  }

  /** What the binding has to send has left. */
  flushed(): void {
    const isWaiting = this.queue.size + this.credit.backlogLimitedSize + this.flowBlocked.length > 0
    if (this.probeTimer?.flushed(isWaiting) === true) this.ping()
  }

  /** Allows receiving halves to be read; see `Acknowledgements`, as for those that follow. */
  allowReading(): void {
    this.acknowledgements.allowReading()
  }

  completeUni(now: number, isSaturated: boolean): boolean {
    return this.acknowledgements.completeUni(now, isSaturated)
  }

  completeBidi(now: number): boolean {
    return this.acknowledgements.completeBidi(now)
  }

  get hasDeferred(): boolean {
    return this.acknowledgements.hasDeferred
  }

  completeDeferred(now: number): void {
    this.acknowledgements.completeDeferred(now)
  }

  /** Ends every stream. Those that the peer has acknowledged complete, though their turn has not come. */
  fail(failure: StreamFailure): void {
    this.acknowledgements.finish()
    const queued = [...this.queue.drain(), ...this.credit.drain()]
    const streams = [...(this.unwritten ?? []), ...queued, ...this.flowBlocked, ...this.sending]
    this.unwritten = undefined
    this.flowBlocked = []
    this.congestionProbe = undefined
    this.sending.clear()
    this.bulk.clear()
    for (const stream of streams) stream.end(failure)
  }

  // --- what its streams call ---------------------------------------------------------------------------------------

  enqueue(stream: SendStream): void {
    const failure = this.host.failure()
    if (failure !== undefined) return stream.end(failure)
    if (stream.isQueued) return
    this.workDone += 1
    if (stream.bidirectional) this.unwritten?.delete(stream)
    stream.queue()
    this.queue.push(stream)
    this.host.schedule()
  }

  onAnswers(change: number): void {
    this.answers += change
  }

  onReset(stream: SendStream, code: number): void {
    this.unwritten?.delete(stream)
    if (stream.isQueued && !this.credit.remove(stream)) this.queue.remove(stream)
    this.forget(stream)
    this.resumeOpening()
    // With the fin on its way there is nothing left to take back.
    if (stream.id === undefined || stream.finWritten || this.host.failure() !== undefined) return
    this.acknowledgements.reset(stream, code)
  }

  reprioritize(stream: SendStream, priority: number): void {
    if (!stream.isQueued) stream.priority = priority
    else if (!this.credit.reprioritize(stream, priority)) this.queue.reprioritize(stream, priority)
    if (stream.id !== undefined) this.setPriority(stream)
  }

  // --- what acknowledgements and credit call -----------------------------------------------------------------------

  requeue(stream: SendStream): void {
    if (stream.isProbe) this.probesQueued += 1
    this.queue.push(stream)
  }

  openProbeStream(): void {
    const stream = new SendStream(this, false, Infinity, true)
    this.probesQueued += 1
    stream.write(nothing, true, () => {})
  }

  ping(): void {
    this.native.sendAckEliciting()
    // It may have to wait for the congestion window.
    this.workDone += 1
    this.host.schedule()
  }

  expedite(stream: SendStream): void {
    this.setUrgency(stream, 0, false)
  }

  /** The sending half of a stream is over: it takes no place any more. */
  forget(stream: SendStream): void {
    this.workDone += 1
    this.bulk.end(stream)
    if (this.sending.delete(stream)) this.acknowledgements.ended(stream)
  }

  /** Asks for a turn if streams wait for places and there are some: there may be no other turn for long. */
  resumeOpening(): void {
    if (!this.waitsForPlace || !this.sending.mayOpen) return
    this.waitsForPlace = false
    this.host.schedule()
  }

  // --- writing -----------------------------------------------------------------------------------------------------

  /** Writes as much as the windows take. */
  write(now: number): void {
    let room = this.probeTimer?.room() ?? Infinity
    const isUnanswered = room < Infinity
    if (this.background?.isActive === true) {
      const { acknowledged } = this.host
      this.background.update(now, acknowledged.next - 1, acknowledged.largestAcknowledged)
    }
    if (isUnanswered ? room <= 0 && !this.mayProbe : this.isCongestionWindowFull()) return
    // It may be written to its end now, and then the binding forgets it.
    this.congestionProbe = undefined
    if (this.credit.streamLimitedSize > 0) this.credit.releaseStreamLimited()
    if (this.credit.backlogLimitedSize > 0 && this.mayRelease && !isUnanswered)
      this.workDone += this.credit.releaseBacklogLimited(now)
    for (const stream of this.flowBlocked.splice(0)) this.queue.putBack(stream)
    const failed: Array<SendStream> = []
    while (this.queue.size > 0) {
      const { mayProbe } = this
      // Probe streams have no bytes.
      if (room <= 0 && !mayProbe) break
      // Probe streams go before all others, and need no place: what takes the places may wait for what they find out.
      const stream = this.queue.take(this.sending.mayOpen || mayProbe, this.bulk)
      if (stream === undefined) break
      if (stream.isProbe && stream.id === undefined) this.probesQueued -= 1
      if (stream.ended) continue
      // The binding learns of a stream with the first write: without one it has no id yet.
      const background = stream.priority < 0 ? (this.background ??= new BackgroundWindow()) : undefined
      // All that is still queued is in the background, too.
      if (stream.pending > room || (background !== undefined && background.room <= 0)) {
        this.queue.putBack(stream)
        break
      }
      if (stream.id === undefined && !this.assignId(stream, now)) continue
      const { pending: before, written } = stream
      this.acknowledgements.writing(stream)
      const result = stream.writeSome(background && Math.min(sendQuantum, background.room))
      if (background !== undefined && stream.written > written)
        background.wrote(stream.written - written, now, this.host.acknowledged.next)
      if (isUnanswered) {
        this.probeTimer!.wrote(stream.written - written)
        room = this.probeTimer!.room()
      }
      if (result !== "ended") stream.notifyOpened()
      if (stream.pending < before) {
        this.acknowledgements.wrote(stream, now)
        this.credit.grow(stream)
      }
      if (stream.pending < before || result === "drained") {
        this.written += 1
        this.workDone += 1
        // Others got through after these had not: it is their own windows that are full, not the congestion window.
        if (failed.length > 0) this.flowBlocked.push(...failed.splice(0))
      }
      if (result === "drained") this.acknowledgements.drained(stream, now)
      else if (result === "yielded") this.queue.push(stream)
      else if (result === "ended") this.forget(stream)
      else {
        failed.push(stream)
        // A stream that has sent nothing yet has its whole window: it is the congestion window that is full.
        if (stream.written === 0) {
          this.congestionProbe = stream
          break
        }
        if (failed.length >= maxBlockedTries) break
      }
    }
    this.congested = failed.length > 0
    this.waitsForPlace = !this.sending.mayOpen && this.queue.size + this.credit.backlogLimitedSize > 0
    if (!this.congested) {
      // As many again in the next turn, unless they wait for the peer.
      if (this.credit.hasMore && this.mayRelease && !isUnanswered) this.host.schedule()
      return
    }
    // So many that only their own windows hold up must not keep the head of the queue for ever.
    if (failed.length >= maxBlockedTries) for (const stream of failed) this.queue.push(stream)
    else for (const stream of failed.toReversed()) this.queue.putBack(stream)
  }

  private get mayProbe(): boolean {
    return this.probesQueued > 0 && this.sending.mayProbe
  }

  private isCongestionWindowFull(): boolean {
    const stream = this.congestionProbe
    if (stream === undefined) return false
    if (!stream.ended) {
      const capacity = stream.capacity()
      if (stream.ended) this.forget(stream)
      else if (capacity === 0) return true
    }
    this.congestionProbe = undefined
    return false
  }

  /** False if the peer does not let the stream be opened yet. */
  private assignId(stream: SendStream, now: number): boolean {
    if (!this.credit.admit(stream, now)) return false
    stream.assignId(this.sending.nextId(stream.bidirectional), now, false)
    this.sending.add(stream)
    this.bulk.begin(stream)
    if (stream.priority !== 0) this.setPriority(stream)
    return true
  }

  /**
   * Whether streams that waited for the peer's application may go on: whenever others may be opened, since what waits for
   * something else, as long messages do, must not keep short ones waiting; else only so many, to wait for that.
   */
  private get mayRelease(): boolean {
    return this.sending.mayOpen || this.queue.unopened < maxReleased
  }

  /**
   * When the next turn is due at the latest, in `performance.now()` milliseconds. None is due to probe for credit in while
   * no probe would be sent: what changes that has a turn of its own.
   */
  get deadline(): number {
    const isFree = this.congestionProbe === undefined && this.probeTimer?.awaitsAnswer !== true
    const release = this.queue.size > 0 ? (this.background?.deadline ?? Infinity) : Infinity
    return isFree && this.mayRelease ? Math.min(this.credit.deadline, release) : release
  }

  private setPriority(stream: SendStream): void {
    this.setUrgency(stream, Math.min(Math.max(127 - stream.priority, 0), 255), true)
  }

  /** 0 to 255, lower first, 127 by default; incremental streams take turns with others of the same urgency. */
  private setUrgency(stream: SendStream, urgency: number, isIncremental: boolean): void {
    try {
      this.native.streamPriority(stream.id!, urgency, isIncremental)
    } catch {
      // The binding has dropped it meanwhile.
    }
  }
}
