/**
 * Completes the streams that the peer has acknowledged, and sends the fins and resets that wait for an acknowledgement.
 */
import type { AcknowledgedPackets } from "./acknowledgedPackets.ts"
import { AckInference, type AckInferenceHost, type AckProbes } from "./ackInference.ts"
import { untraced } from "../binding/errorCodes.ts"
import type { SendStream } from "./sendStream.ts"
import { completionTurns, inferAfter, maxCapacityChecks, minCompletedBytes } from "../tunables/streams.ts"

const shutdownWrite = 1

/** What this needs of its connection. */
export interface AcknowledgementsHost extends AckInferenceHost {
  /** Asks for a turn soon. */
  readonly schedule: () => void
  readonly acknowledged: AcknowledgedPackets
}

/** What this needs of the sending side. */
export interface AcknowledgementsOwner extends AckProbes<SendStream> {
  /** The sending half of a stream is over. */
  readonly forget: (stream: SendStream) => void
  /** Streams may have ended for whose places others wait. */
  readonly resumeOpening: () => void
}

/**
 * Tracks the streams of one connection whose fin is written, calls their owners when the peer has acknowledged all of them,
 * and sends fins and resets that wait.
 */
export class Acknowledgements {
  private readonly host: AcknowledgementsHost
  private readonly owner: AcknowledgementsOwner
  private readonly inference: AckInference<SendStream>
  /** Unidirectional streams whose fin is written and not yet acknowledged. */
  private unackedUni: Array<SendStream> = []
  /** The same for bidirectional streams. */
  private unackedBidi: Array<SendStream> = []
  /** How many of those have not ended. */
  private unackedBidiCount = 0
  /** Those of them whose receiving halves must not be read before their fins are acknowledged. */
  private deferredReads: Array<SendStream> = []
  /** Streams whose fin has to wait until everything before it is acknowledged. */
  private loneFins: Array<SendStream> = []
  /** Streams that were reset, which the peer is told once nothing of theirs is in flight. */
  private resets: Array<{ readonly stream: SendStream; readonly code: number }> = []
  /** How many streams were asked in this turn for the room in the congestion window; infinite once there was some. */
  private capacityChecks = 0
  private completed = 0
  private workDone = 0

  constructor(host: AcknowledgementsHost, owner: AcknowledgementsOwner) {
    this.host = host
    this.owner = owner
    this.inference = new AckInference(host, owner)
  }

  /** Counts streams that were completed. */
  get progress(): number {
    return this.completed
  }

  /** Counts fins and resets that were sent here, to notice turns that do nothing. */
  get work(): number {
    return this.workDone
  }

  /** Whether a fin is not acknowledged yet. */
  get isWaiting(): boolean {
    return this.unackedUni.length + this.unackedBidi.length > 0
  }

  /** Whether `completeDeferred` has something to do. */
  get hasDeferred(): boolean {
    return this.loneFins.length + this.resets.length + this.unackedBidiCount > 0
  }

  // --- what the sending side reports -------------------------------------------------------------------------------

  /** The stream is about to be written. */
  writing(stream: SendStream): void {
    const state = stream.ackState
    if (state.firstPacket === -1) state.firstPacket = this.host.acknowledged.next
  }

  /** The binding has taken bytes of the stream. */
  wrote(stream: SendStream, now: number): void {
    this.inference.wrote(stream, now)
  }

  /** The binding has all that is queued on the stream. */
  drained(stream: SendStream, now: number): void {
    if (stream.finWritten) return this.awaitFin(stream, now)
    if (!stream.needsLoneFin) return
    // With data that is to be sent again, the binding may forget the fin.
    if (stream.mayFinishEarly && this.host.acknowledged.hasNoRetransmissionSince(stream.ackState.firstPacket)) {
      this.writeFin(stream, now)
      stream.ackState.finMayBeForgotten = true
      return
    }
    this.loneFins.push(stream)
    this.host.schedule()
  }

  /** Resets a stream at the peer, as soon as nothing of it is in flight. */
  reset(stream: SendStream, code: number): void {
    if (stream.written === 0) this.shutdown(stream, code)
    else this.resets.push({ stream, code })
    this.host.schedule()
  }

  /** The stream, whose sending half was not over before, is over. */
  ended(stream: SendStream): void {
    if (stream.bidirectional && stream.finWritten) this.unackedBidiCount -= 1
  }

  /** One of the binding's timers has expired. */
  expired(): void {
    this.inference.expired()
  }

  /** The connection is over. Completes what the peer has acknowledged, and waits for nothing more. */
  finish(): void {
    for (const stream of this.unackedUni) if (!stream.ended && stream.checkAcknowledged()) this.complete(stream)
    this.unackedUni = []
    this.unackedBidi = []
    this.unackedBidiCount = 0
    this.deferredReads = []
    this.loneFins = []
    this.resets = []
  }

  // --- the turn ----------------------------------------------------------------------------------------------------

  /** Allows those receiving halves to be read whose streams' fins have arrived. Right before reading. */
  allowReading(): void {
    if (this.deferredReads.length === 0) return
    const { acknowledged } = this.host
    this.deferredReads = this.deferredReads.filter((stream) => {
      if (stream.ended) return false
      const state = stream.ackState
      if (!acknowledged.has(state.finPacket, state.lastPacket)) return true
      state.finMayBeForgotten = false
      stream.peerHalf!.allowReading()
      return false
    })
  }

  /**
   * Completes the unidirectional streams that the peer has acknowledged, up to a turn's share of all that wait: what their
   * owners send next leaves before other streams complete. All of them if the turn `isSaturated`, with so many connections
   * that both ends are busy. False if none.
   */
  completeUni(now: number, isSaturated: boolean): boolean {
    if (this.unackedUni.length === 0) return false
    const before = this.completed
    const waiting = this.unackedUni
    this.unackedUni = []
    let all = 0
    for (const stream of waiting) all += stream.written
    let left = isSaturated ? Infinity : Math.max(minCompletedBytes, all / completionTurns)
    for (const stream of waiting) {
      if (left <= 0 || !this.tryComplete(stream, now)) this.unackedUni.push(stream)
      else left -= stream.written
    }
    if (left <= 0 && this.unackedUni.length > 0) this.host.schedule()
    return this.completed !== before
  }

  /**
   * Completes the bidirectional streams that the peer has acknowledged. Their owners wait for the peer's half more than for
   * this; and asking the binding costs as much as a packet. So it comes after sending, and only for streams of whose packets
   * nothing is known. False if none.
   */
  completeBidi(now: number): boolean {
    if (this.unackedBidi.length === 0) return false
    const before = this.completed
    const waiting = this.unackedBidi
    this.unackedBidi = []
    for (const stream of waiting) {
      // What has just been sent is not there yet.
      if (stream.ackState.finWrittenAt === now) this.unackedBidi.push(stream)
      else if (!stream.ended && this.hasArrived(stream)) this.completeAcknowledged(stream, now)
      else if (!this.tryComplete(stream, now)) this.unackedBidi.push(stream)
    }
    this.owner.resumeOpening()
    return this.completed !== before
  }

  /**
   * Does what had to wait until a stream's bytes are acknowledged. Only right when everything that could be sent has
   * been: what was found to be lost is no longer in flight, and not yet again.
   */
  completeDeferred(now: number): void {
    this.capacityChecks = 0
    let hasEnded = false
    for (const stream of this.unackedBidi) {
      if (!stream.ended) this.inferBidi(stream, now)
      hasEnded ||= stream.ended
    }
    // There may be no other turn for long, and what waits must move.
    if (hasEnded) this.unackedBidi = this.unackedBidi.filter((stream) => !stream.ended)
    for (const stream of this.loneFins.splice(0)) {
      if (stream.ended) continue
      this.findPackets(stream)
      // Nothing of it is in flight a second time, either.
      const isSentOnce = this.host.acknowledged.hasNoRetransmissionSince(stream.ackState.firstPacket)
      if ((isSentOnce && this.hasArrived(stream)) || this.inference.isAcknowledged(stream, now))
        this.writeFinLater(stream, now)
      else this.loneFins.push(stream)
    }
    for (const reset of this.resets.splice(0)) {
      if (this.inference.isAcknowledged(reset.stream, now)) this.shutdown(reset.stream, reset.code)
      else this.resets.push(reset)
    }
    this.owner.resumeOpening()
  }

  /** Asks the binding about a stream whose fin was written. False if it is neither acknowledged nor ended. */
  private tryComplete(stream: SendStream, now: number): boolean {
    if (stream.ended) return true
    if (stream.checkAcknowledged()) {
      this.completeAcknowledged(stream, now)
      return true
    }
    if (!stream.ended) return false
    this.owner.forget(stream)
    return true
  }

  private inferBidi(stream: SendStream, now: number): void {
    this.findPackets(stream)
    if (this.hasArrived(stream)) return this.complete(stream)
    // The peer's half mostly comes before this could infer anything, and tells.
    if (now - stream.ackState.finWrittenAt < inferAfter || !this.inference.isAcknowledged(stream, now)) return
    if (stream.ackState.finMayBeForgotten) this.writeFinLater(stream, now)
    else this.complete(stream)
  }

  private completeAcknowledged(stream: SendStream, now: number): void {
    this.inference.onAcknowledged(stream, now)
    this.complete(stream)
  }

  private complete(stream: SendStream): void {
    this.owner.forget(stream)
    this.completed += 1
    stream.complete()
  }

  /** Sends a lone fin, for the first time or again. */
  private writeFin(stream: SendStream, now: number): void {
    const isAgain = stream.finWritten
    stream.ackState.finMayBeForgotten = false
    stream.writeFin()
    if (stream.ended) this.owner.forget(stream)
    else this.awaitFin(stream, now, isAgain)
  }

  /** The same when sending is over for this turn: it leaves in the next. */
  private writeFinLater(stream: SendStream, now: number): void {
    this.writeFin(stream, now)
    this.workDone += 1
    this.host.schedule()
  }

  private awaitFin(stream: SendStream, now: number, isAgain = false): void {
    this.inference.wroteFin(stream, now)
    const state = stream.ackState
    state.finWrittenAt = now
    state.finPacket = this.host.acknowledged.next
    state.lastPacket = -1
    if (isAgain) return
    if (!stream.bidirectional) return void this.unackedUni.push(stream)
    this.unackedBidiCount += 1
    this.unackedBidi.push(stream)
    if (stream.peerHalf?.isDeferred === true) this.deferredReads.push(stream)
  }

  private shutdown(stream: SendStream, code: number): void {
    this.workDone += 1
    try {
      this.host.native.streamShutdown(stream.id!, shutdownWrite, code)
      this.host.schedule()
    } catch {
      // The binding has dropped it already: the peer has stopped it.
    }
  }

  /**
   * Finds the last packet with something of the stream: the last that has left, as soon as everything that was written has;
   * unless something was sent again meanwhile, with which the binding may have forgotten the fin.
   */
  private findPackets(stream: SendStream): void {
    const state = stream.ackState
    if (state.lastPacket !== -1) return
    const { acknowledged } = this.host
    if (!acknowledged.hasNoRetransmissionSince(stream.finWritten ? state.finPacket : state.firstPacket)) return
    if (this.hasLeft(stream)) state.lastPacket = acknowledged.next - 1
  }

  private hasArrived(stream: SendStream): boolean {
    const { firstPacket, lastPacket } = stream.ackState
    return this.host.acknowledged.has(firstPacket, lastPacket)
  }

  /** Whether everything that was written has left, as far as this stream can tell. Only right after a flush. */
  private hasLeft(stream: SendStream): boolean {
    if (this.capacityChecks === Infinity) return true
    if (this.capacityChecks === maxCapacityChecks) return false
    this.capacityChecks += 1
    const { acknowledged, native } = this.host
    try {
      if (!acknowledged.hasLeft(untraced(() => native.streamCapacity(stream.id!)))) return false
    } catch {
      return false
    }
    this.capacityChecks = Infinity
    return true
  }
}
