/**
 * The sending side of a connection: which streams have something to write, which wait, and for what.
 */
import type { StreamFailure } from "@qp2p/core/Transport"
import type { AcknowledgedPackets } from "./acknowledgedPackets.ts"
import { untraced } from "../binding/errorCodes.ts"
import type { HeldNow } from "./heldStreams.ts"
import { LongMessages } from "./bulkLimit.ts"
import type { NativeConnection } from "../binding/native.ts"
import { type CreditHost, PeerCredit } from "./peerCredit.ts"
import { SendQueue } from "./sendQueue.ts"
import { type SendOwner, SendStream } from "./sendStream.ts"
import { Settling, type SettlingStreams } from "./ackInference.ts"
import {
  answerPatience,
  confirmTurns,
  leastConfirmed,
  maxBlockedTries,
  maxOpenStreams,
  maxReleased,
  maxRoomTries,
  streamCredit
} from "../tunables.ts"

const shutdownWrite = 1

/** What the sending side needs of its connection. */
export interface OutgoingHost {
  readonly native: NativeConnection
  readonly dialled: boolean
  /** Asks for a turn soon. */
  readonly touch: () => void
  /** Why the connection is over, if it is. */
  readonly over: () => StreamFailure | undefined
  readonly acknowledged: AcknowledgedPackets
  /** When the peer was last heard, in `performance.now()` milliseconds, `recv` packets having come. */
  readonly heardAt: (recv: number) => number
  /** The idle timeout that both sides agreed on, in milliseconds. */
  readonly idleTimeout: () => number
}

/** Probes that may be open beyond the streams of others. */
const mostProbes = 64

export class Outgoing implements SendOwner, SettlingStreams, CreditHost {
  readonly native: NativeConnection
  /** Counts everything that got on; a connection whose count stands still while it waits has stalled. */
  progress = 0
  /** Counts streams that were begun, ended or taken back, and signs of life that were asked for, too. */
  work = 0
  /** Whether the windows were full when there last was something to write. */
  congested = false
  /** Whether some waited then because so many others are open. */
  private isCrowded = false
  private readonly host: OutgoingHost
  private nextUni: number
  private nextBi: number
  /** Bidirectional streams that nothing was written on yet: somebody may read them already. */
  private readonly unused = new Set<SendStream>()
  private readonly queue = new SendQueue()
  /** Probes in the queue. */
  private probesQueued = 0
  private readonly long = new LongMessages()
  /** Streams that wait until the peer lets them be begun. */
  private readonly credit: PeerCredit
  /** Streams whose own window is full while the congestion window is not. */
  private parked: Array<SendStream> = []
  /** Streams whose fin is written and not yet acknowledged. */
  private unconfirmed: Array<SendStream> = []
  private halves: Array<SendStream> = []
  /** How many of them have a receiving half too. */
  private unconfirmedHalves = 0
  /** Those of them whose answers are held until their fins are acknowledged. */
  private holding: Array<SendStream> = []
  /** Streams whose fin has to wait until everything before it is acknowledged. */
  private bareFins: Array<SendStream> = []
  /** Streams that were reset, to be told once nothing of theirs is in flight. */
  private resets: Array<{ readonly stream: SendStream; readonly code: number }> = []
  /** A stream that has its whole window and could write nothing: as long as that is so, nobody can. */
  private full: SendStream | undefined = undefined
  /** Every stream that has an id and an unfinished sending half. */
  private readonly sending = new Set<SendStream>()
  /** How many of those we opened. */
  private opened = 0
  private readonly settling: Settling
  /** How many streams were asked for room in this turn; infinite once there was some. */
  private roomTries = 0

  constructor(host: OutgoingHost) {
    this.host = host
    this.native = host.native
    // RFC 9000, section 2.1: the two low bits tell who opened a stream and which kind it is.
    this.nextBi = host.dialled ? 0 : 1
    this.nextUni = host.dialled ? 2 : 3
    this.settling = new Settling(host, this)
    this.credit = new PeerCredit(this)
  }

  open(bidirectional: boolean, priority: number): SendStream {
    const stream = new SendStream(this, bidirectional, priority)
    if (bidirectional && this.host.over() === undefined) this.unused.add(stream)
    return stream
  }

  /** The sending half of a stream that the peer opened. */
  answer(id: number): SendStream {
    const stream = new SendStream(this, true, 0)
    stream.id = id
    stream.known = true
    this.sending.add(stream)
    return stream
  }

  /**
   * Whether anything waits for what only the peer's QUIC can give: credit for streams, or an acknowledgement. A full
   * window is no such thing: that is a peer whose application takes its time.
   */
  get waits(): boolean {
    return this.credit.limitedSize + this.unconfirmed.length + this.halves.length > 0
  }

  /** Whether somebody would miss the peer: something is yet to be sent, or to be acknowledged, or a stream is open. */
  get isAwaited(): boolean {
    if (this.queue.size + this.credit.limitedSize + this.credit.heldSize + this.parked.length > 0) return true
    for (const stream of this.sending) if (stream.written > 0) return true
    return false
  }

  /** Which streams keep others from being opened; `answers` of streams opened here have not been read to their ends. */
  heldStreams(answers: () => number): HeldNow | undefined {
    const begun = this.nextUni + this.nextBi
    if (this.opened >= maxOpenStreams && this.queue.unopened > 0) {
      // As long as one is being finished, its place will be free.
      const count = this.countUnfinished(true)
      return count === this.opened ? { by: "Opener", count, begun } : undefined
    }
    if (this.credit.hasBidirectional) return { by: "Answers", count: answers(), begun }
    if (this.sending.size - this.opened < streamCredit) return undefined
    const count = this.countUnfinished(false)
    return count >= streamCredit ? { by: "Answerer", count, begun: 0 } : undefined
  }

  private countUnfinished(ours: boolean): number {
    let count = 0
    for (const stream of this.sending) if (!stream.finQueued && this.isOurs(stream) === ours) count += 1
    return count
  }

  private isOurs(stream: SendStream): boolean {
    return (stream.id! & 0x1) === (this.host.dialled ? 0 : 1)
  }

  /** Whether `settle` has something to do. */
  get settles(): boolean {
    return this.bareFins.length + this.resets.length + this.unconfirmedHalves > 0
  }

  /** Ends every stream. What the peer has acknowledged is done, though its turn to be confirmed has not come. */
  fail(failure: StreamFailure): void {
    for (const stream of this.unconfirmed) if (!stream.ended && stream.confirmed()) this.succeed(stream)
    const queued = [...this.queue.drain(), ...this.credit.drain()]
    const streams = [...this.unused, ...queued, ...this.parked, ...this.sending]
    this.unused.clear()
    this.parked = []
    this.full = undefined
    this.unconfirmed = []
    this.halves = []
    this.holding = []
    this.bareFins = []
    this.resets = []
    this.sending.clear()
    this.unconfirmedHalves = 0
    this.opened = 0
    for (const stream of streams) stream.end(failure)
  }

  // --- what its streams call ---------------------------------------------------------------------------------------

  enqueue(stream: SendStream): void {
    const over = this.host.over()
    if (over !== undefined) return stream.end(over)
    if (stream.queued) return
    this.work += 1
    if (stream.bidirectional) this.unused.delete(stream)
    stream.queued = true
    this.queue.push(stream)
    this.host.touch()
  }

  discard(stream: SendStream, code: number): void {
    this.unused.delete(stream)
    if (stream.queued && !this.credit.remove(stream)) this.queue.remove(stream)
    stream.queued = false
    this.release(stream)
    this.fillPlaces()
    // With the fin on its way there is nothing left to take back.
    if (stream.id === undefined || stream.finWritten || this.host.over() !== undefined) return
    if (stream.written === 0) this.shutdown(stream, code)
    else this.resets.push({ stream, code })
    this.host.touch()
  }

  reprioritize(stream: SendStream, priority: number): void {
    const listed = stream.queued && !this.credit.reprioritize(stream, priority) && !this.parked.includes(stream)
    if (listed) this.queue.remove(stream)
    stream.priority = priority
    if (listed) this.queue.push(stream)
    if (stream.id !== undefined) this.tellPriority(stream)
  }

  // --- what settling and waiting for credit call -------------------------------------------------------------------

  requeue(stream: SendStream): void {
    this.queue.push(stream)
  }

  mark(): void {
    const stream = this.open(false, Infinity)
    stream.isProbe = true
    this.probesQueued += 1
    stream.write(new Uint8Array(0), true, () => {})
  }

  ping(): void {
    this.native.sendAckEliciting()
    // It may have to wait for the congestion window.
    this.work += 1
    this.host.touch()
  }

  hurry(stream: SendStream): void {
    this.tellUrgency(stream, 0, false)
  }

  // --- the turn ----------------------------------------------------------------------------------------------------

  /** Packets have come: one of them may have stopped a stream, and its code can only be had now. */
  notice(): void {
    for (const stream of this.sending) {
      if (stream.finWritten) continue
      stream.checkStopped()
      if (stream.ended) this.release(stream)
    }
  }

  /** One of the binding's timers has expired. */
  expired(): void {
    this.settling.expired()
  }

  /**
   * Finds out which unidirectional streams the peer has acknowledged to their ends, up to a turn's share of all that are
   * under way: what their owners send next leaves before others are told. False if none. In `company`, that of other
   * connections whose turn it is too, all of them: the others keep both ends busy.
   */
  confirm(now: number, company: boolean): boolean {
    if (this.unconfirmed.length === 0) return false
    const before = this.progress
    const waiting = this.unconfirmed
    this.unconfirmed = []
    let all = 0
    for (const stream of waiting) all += stream.written
    let left = company ? Infinity : Math.max(leastConfirmed, all / confirmTurns)
    for (const stream of waiting) {
      if (left <= 0 || this.isWaiting(stream, now)) this.unconfirmed.push(stream)
      else left -= stream.written
    }
    if (left <= 0 && this.unconfirmed.length > 0) this.host.touch()
    return this.progress !== before
  }

  /**
   * The same of bidirectional streams, whose answer is what their owner waits for: asking costs as much as a packet, and
   * can wait until what answers the answer has been sent.
   */
  confirmHalves(now: number): boolean {
    if (this.halves.length === 0) return false
    const before = this.progress
    const waiting = this.halves
    this.halves = []
    for (const stream of waiting) {
      // What has just been sent is not there yet.
      if (stream.finAt === now || this.isWaiting(stream, now)) this.halves.push(stream)
    }
    this.fillPlaces()
    return this.progress !== before
  }

  private isWaiting(stream: SendStream, now: number): boolean {
    if (stream.ended) return false
    if (!stream.confirmed()) {
      if (!stream.ended) return true
      this.release(stream)
      return false
    }
    this.settling.acknowledged(stream, now)
    this.succeed(stream)
    return false
  }

  /** Lets the answers be read whose questions' fins are known to have arrived. Right before reading. */
  letAnswersEnd(): void {
    if (this.holding.length === 0) return
    const { acknowledged } = this.host
    this.holding = this.holding.filter((stream) => {
      if (stream.ended) return false
      if (!acknowledged.has(stream.finPacket, stream.lastPacket)) return true
      stream.finInDoubt = false
      stream.answer!.release()
      return false
    })
  }

  /**
   * Does what had to wait until a stream's bytes are acknowledged. Only right when everything that could be sent has
   * been: what was found to be lost is no longer in flight, and not yet again.
   */
  settle(now: number): void {
    this.roomTries = 0
    let ended = false
    for (const stream of this.halves) {
      if (!stream.ended) this.settleHalf(stream, now)
      ended ||= stream.ended
    }
    // There may be no other turn for long, and what waits must move.
    if (ended) this.halves = this.halves.filter((stream) => !stream.ended)
    for (const stream of this.bareFins.splice(0)) {
      if (stream.ended) continue
      this.findPackets(stream)
      // Nothing of it is in flight a second time, either.
      const isCalm = this.host.acknowledged.isCalmSince(stream.firstPacket)
      if ((isCalm && this.hasArrived(stream)) || this.settling.settled(stream, now)) this.finishLater(stream, now)
      else this.bareFins.push(stream)
    }
    for (const reset of this.resets.splice(0)) {
      if (this.settling.settled(reset.stream, now)) this.shutdown(reset.stream, reset.code)
      else this.resets.push(reset)
    }
    this.fillPlaces()
  }

  /** Streams that wait for the end of others may have their turn: there may be no other one for long. */
  private fillPlaces(): void {
    if (!this.isCrowded || !this.mayOpen) return
    this.isCrowded = false
    this.host.touch()
  }

  private settleHalf(stream: SendStream, now: number): void {
    this.findPackets(stream)
    if (this.hasArrived(stream)) return this.succeed(stream)
    // Most are answered before this could find out anything, and the answer tells.
    if (now - stream.finAt < answerPatience || !this.settling.settled(stream, now)) return
    if (stream.finInDoubt) this.finishLater(stream, now)
    else this.succeed(stream)
  }

  /** Sends a fin alone, or again. */
  private finish(stream: SendStream, now: number): void {
    const again = stream.finWritten
    stream.finInDoubt = false
    stream.writeFin()
    if (stream.ended) this.release(stream)
    else this.awaitConfirmation(stream, now, again)
  }

  private finishLater(stream: SendStream, now: number): void {
    this.finish(stream, now)
    this.work += 1
    this.host.touch()
  }

  /**
   * What the stream has written is in packets that have left, as soon as everything has; unless something was sent again
   * meanwhile, with which the binding may have forgotten the fin.
   */
  private findPackets(stream: SendStream): void {
    const { acknowledged } = this.host
    if (
      stream.lastPacket !== -1 ||
      !acknowledged.isCalmSince(stream.finWritten ? stream.finPacket : stream.firstPacket)
    )
      return
    if (this.hasLeft(stream)) stream.lastPacket = acknowledged.next - 1
  }

  private hasArrived(stream: SendStream): boolean {
    return this.host.acknowledged.has(stream.firstPacket, stream.lastPacket)
  }

  /** Whether everything that was written has left, as far as this stream can tell. Only right after a flush. */
  private hasLeft(stream: SendStream): boolean {
    if (this.roomTries === Infinity) return true
    if (this.roomTries === maxRoomTries) return false
    this.roomTries += 1
    try {
      if (!this.host.acknowledged.hasLeft(untraced(() => this.native.streamCapacity(stream.id!)))) return false
    } catch {
      return false
    }
    this.roomTries = Infinity
    return true
  }

  private succeed(stream: SendStream): void {
    this.release(stream)
    this.progress += 1
    stream.succeed()
  }

  private shutdown(stream: SendStream, code: number): void {
    this.work += 1
    try {
      this.native.streamShutdown(stream.id!, shutdownWrite, code)
      this.host.touch()
    } catch {
      // Already collected: the peer has stopped it.
    }
  }

  /** Writes as much as the windows take. */
  pump(now: number): void {
    if (this.isFull()) return
    if (this.credit.limitedSize > 0) this.credit.releaseLimited()
    if (this.credit.heldSize > 0 && this.mayRelease) this.work += this.credit.releaseHeld(now)
    for (const stream of this.parked.splice(0)) this.queue.putBack(stream)
    const failed: Array<SendStream> = []
    while (this.queue.size > 0) {
      // Probes go before all others, and need no place: what takes the places may wait for what they find out.
      const mayProbe = this.probesQueued > 0 && this.opened < maxOpenStreams + mostProbes
      const stream = this.queue.take(this.mayOpen || mayProbe, this.long.mayBegin)
      if (stream === undefined) break
      if (stream.isProbe && stream.id === undefined) this.probesQueued -= 1
      if (stream.ended) continue
      if (stream.id === undefined && !this.assignId(stream, now)) continue
      if (stream.firstPacket === -1) stream.firstPacket = this.host.acknowledged.next
      const before = stream.pending
      const result = stream.writeSome()
      if (result !== "ended") stream.begun()
      if (stream.pending < before) {
        stream.settleFrom = now
        this.credit.grown(stream)
      }
      if (stream.pending < before || result === "drained") {
        this.progress += 1
        this.work += 1
        // Others got through after these had not: it is their own windows that are full, not the congestion window.
        if (failed.length > 0) this.parked.push(...failed.splice(0))
      }
      if (result === "drained") this.drained(stream, now)
      else if (result === "yielded") this.queue.push(stream)
      else if (result === "ended") this.release(stream)
      else {
        failed.push(stream)
        // A stream that has sent nothing yet has its whole window: it is the congestion window that is full.
        if (stream.written === 0) {
          this.full = stream
          break
        }
        if (failed.length >= maxBlockedTries) break
      }
    }
    this.congested = failed.length > 0
    this.isCrowded = !this.mayOpen && this.queue.size + this.credit.heldSize > 0
    if (!this.congested) {
      // As many again in the next turn, unless they wait for the peer.
      if (this.credit.hasMore && this.mayRelease) this.host.touch()
      return
    }
    // So many that only their own windows hold must not keep the head of the queue for ever.
    if (failed.length >= maxBlockedTries) for (const stream of failed) this.queue.push(stream)
    else for (const stream of failed.toReversed()) this.queue.putBack(stream)
  }

  private isFull(): boolean {
    const { full } = this
    if (full === undefined) return false
    if (!full.ended) {
      const capacity = full.capacity()
      if (full.ended) this.release(full)
      else if (capacity === 0) return true
    }
    this.full = undefined
    return false
  }

  private drained(stream: SendStream, now: number): void {
    stream.queued = false
    if (stream.finWritten) return this.awaitConfirmation(stream, now)
    if (!stream.bareFin) return
    // With data that is to be sent again, the binding may forget the fin.
    if (stream.mayFinishAhead && this.host.acknowledged.isCalmSince(stream.firstPacket)) {
      this.finish(stream, now)
      stream.finInDoubt = true
      return
    }
    this.bareFins.push(stream)
    this.host.touch()
  }

  private awaitConfirmation(stream: SendStream, now: number, again = false): void {
    stream.settleFrom = stream.finAt = now
    stream.proof = undefined
    stream.finPacket = this.host.acknowledged.next
    stream.lastPacket = -1
    if (again) return
    if (!stream.bidirectional) return void this.unconfirmed.push(stream)
    this.unconfirmedHalves += 1
    this.halves.push(stream)
    if (stream.answer?.held === true) this.holding.push(stream)
  }

  /** Ids are given out in order, and only when the peer has credit: a skipped or refused id would use it up. */
  private assignId(stream: SendStream, now: number): boolean {
    if (!this.credit.admit(stream, now)) return false
    if (stream.bidirectional) {
      stream.id = this.nextBi
      this.nextBi += 4
    } else {
      stream.id = this.nextUni
      this.nextUni += 4
    }
    stream.begunAt = now
    this.sending.add(stream)
    this.opened += 1
    this.long.begin(stream)
    if (stream.priority !== 0) this.tellPriority(stream)
    return true
  }

  /**
   * Whether streams that were held may go on: whenever others may be opened, since what waits for something else, as long
   * messages do, must not keep short ones waiting; else, to wait for that, only so many.
   */
  private get mayRelease(): boolean {
    return this.mayOpen || this.queue.unopened < maxReleased
  }

  /** Whether another stream may be opened beside those that are open. */
  private get mayOpen(): boolean {
    return this.opened < maxOpenStreams
  }

  /**
   * When it wants its next turn at the latest, in `performance.now()` milliseconds. None to ask for credit in, while it
   * would not be asked for: what changes that has a turn of its own.
   */
  get deadline(): number {
    return this.full === undefined && this.mayRelease ? this.credit.deadline : Infinity
  }

  private tellPriority(stream: SendStream): void {
    this.tellUrgency(stream, Math.min(Math.max(127 - stream.priority, 0), 255), true)
  }

  /** 0 to 255, lower first, 127 by default; among equals those that need not take turns. */
  private tellUrgency(stream: SendStream, urgency: number, takesTurns: boolean): void {
    try {
      this.native.streamPriority(stream.id!, urgency, takesTurns)
    } catch {
      // Collected meanwhile.
    }
  }

  private release(stream: SendStream): void {
    this.work += 1
    this.long.end(stream)
    if (stream.bidirectional && stream.finWritten && this.sending.has(stream)) this.unconfirmedHalves -= 1
    const ours = this.isOurs(stream)
    if (this.sending.delete(stream) && ours) this.opened -= 1
  }
}
