/**
 * Infers that the peer has acknowledged all of a stream, where the binding does not tell.
 */
import type { NativeConnection } from "../binding/native.ts"

/**
 * Losses, one after the other, each of which may have been of the stream in question. After so many the stream is taken to
 * be acknowledged all the same: on a path that loses a tenth of all packets that is wrong once in a hundred million times.
 */
const maxLosses = 8

/**
 * That rule does not fit a path that carries no packets as long as those of the stream. So the packets that did get through
 * must have been this long on the average, as a share of what the stream would fill.
 */
const minShare = 0.75

/**
 * How many round trips an idle timeout must have at least for the binding's one timer to tell it from a retransmission
 * timer. That timer is due after a round trip and four times its variation, which is at most twice as much, and after twice
 * that when it has expired once: 18 round trips (RFC 9002, section 6.2).
 */
const minIdleRoundTrips = 32

/** How often a stream that others keep from being acknowledged has a probe stream opened, in milliseconds. */
const probeInterval = 100

/** How often a peer that has been silent is pinged while a stream waits for news of it, in milliseconds. */
const pingInterval = 500

/** What is known, while it is open, about whether the bytes of a stream were lost. */
export interface AckEvidence {
  /** The path's counters when the evidence began. */
  readonly since: PathCounters
  /** The path's losses at the last check. */
  lost: number
  /** How many checks found further losses. */
  losses: number
}

/** What the binding counts of a path. */
interface PathCounters {
  readonly recv: number
  readonly rtt: number
  readonly pmtu: number
  readonly sent: number
  readonly lost: number
  readonly sentBytes: number
  readonly lostBytes: number
}

/** What the inference needs of its connection. */
export interface AckInferenceHost {
  readonly native: NativeConnection
  /** When the last packet came that the peer did send, in `performance.now()` milliseconds; `recv` of them have come. */
  readonly heardAt: (recv: number) => number
  /** The idle timeout that both sides agreed on, in milliseconds. */
  readonly idleTimeout: () => number
}

/** What `AckInference` keeps of a stream. It is made with the stream, and `AckInference` alone changes it. */
export class InferenceState {
  /** From when evidence counts: nothing of the stream was written later, and nothing that may be of it was found lost. */
  evidenceFrom = 0
  evidence: AckEvidence | undefined = undefined
}

/** What the inference needs of a stream. */
export interface InferredStream {
  /** When the stream was opened, in `performance.now()` milliseconds. */
  readonly openedAt: number
  /** Bytes that the binding has taken. */
  readonly written: number
  readonly inferenceState: InferenceState
}

/** The means to make the peer send an acknowledgement. */
export interface AckProbes<S> {
  /** Opens an empty stream that goes before all others. */
  readonly openProbeStream: () => void
  /** Sends what is left of a stream before all others, probe streams too. */
  readonly expedite: (stream: S) => void
  /** Sends a PING frame, which the peer acknowledges. */
  readonly ping: () => void
}

/**
 * Infers acknowledgements from the path's counters and from streams that were opened later, and opens probe streams when
 * these show nothing.
 */
export class AckInference<S extends InferredStream> {
  private readonly host: AckInferenceHost
  private readonly probes: AckProbes<S>
  /** When the latest stream was opened of those that were acknowledged, and when that was found. */
  private provenUntil = 0
  private provenAt = 0
  private counters: PathCounters | undefined = undefined
  private countersReadAt = -Infinity
  private pingedAt = 0
  private probedAt = 0
  /** Timers that have expired since the binding last reported an acknowledgement: each doubles the retransmission timer. */
  private expirations = 0

  constructor(host: AckInferenceHost, probes: AckProbes<S>) {
    this.host = host
    this.probes = probes
  }

  /** Bytes of the stream have been written: evidence counts from `now` on. */
  wrote(stream: S, now: number): void {
    stream.inferenceState.evidenceFrom = now
  }

  /** The stream's fin has been written: what was known before says nothing of it. */
  wroteFin(stream: S, now: number): void {
    const state = stream.inferenceState
    state.evidenceFrom = now
    state.evidence = undefined
  }

  /** The peer has acknowledged all of this stream: the binding reports it, or the numbers of its packets tell. */
  onAcknowledged(stream: S, now: number): void {
    this.expirations = 0
    if (stream.openedAt <= this.provenUntil) return
    this.provenUntil = stream.openedAt
    this.provenAt = now
  }

  /** One of the binding's timers has expired. */
  expired(): void {
    this.expirations += 1
  }

  /**
   * Whether everything that `stream` wrote has been acknowledged, found without asking the binding about the stream. Either
   * nothing at all is in flight; or a stream opened later was acknowledged, so long ago that the loss of anything earlier
   * would have been declared (RFC 9002, section 6.1.2), and none was.
   *
   * Three cases need this. quiche forgets a fin that is sent alone while data is in flight, once that data is
   * acknowledged, so such a fin waits. It forgets a reset the same way, and sends a fin in place of data that it had still
   * to send. And it keeps a bidirectional stream until its other half has been read, which hides the acknowledgement of
   * this half.
   */
  isAcknowledged(stream: S, now: number): boolean {
    const path = this.readCounters(now)
    if (path === undefined) return false
    const heardAt = this.host.heardAt(path.recv)
    const state = stream.inferenceState
    if (heardAt <= state.evidenceFrom) {
      if (now - state.evidenceFrom > pingInterval) this.ping(now)
      return false
    }
    const idle = this.host.idleTimeout()
    const silence = now - heardAt
    if (silence >= idle / 16) this.ping(now)
    else if (this.expirations <= 1 && idle >= path.rtt * minIdleRoundTrips) {
      // With nothing in flight the only timer left is the idle one. While something is, the retransmission timer is due
      // sooner.
      const timeout = this.host.native.timeout()
      if (timeout === null || timeout >= idle - silence - Math.min(50, idle / 10)) return true
    }
    if (state.evidence === undefined) {
      // What is left of the stream, and what of it is sent again, goes before any stream that is opened later.
      this.probes.expedite(stream)
      state.evidence = { since: path, lost: path.lost, losses: 0 }
      state.evidenceFrom = now
    }
    if (this.provenUntil <= state.evidenceFrom) {
      this.openProbeStream(now)
      return false
    }
    if (now - this.provenAt <= path.rtt * 1.5 + 5) return false
    const { evidence } = state
    if (path.lost === evidence.lost) return true
    // Something was lost, perhaps of this stream: it has been sent again, and the wait begins again.
    evidence.losses += 1
    evidence.lost = path.lost
    state.evidenceFrom = now
    return (
      evidence.losses >= maxLosses && meanLength(evidence.since, path) >= minShare * Math.min(stream.written, path.pmtu)
    )
  }

  /** The path's counters, which cost a call of the binding once in a turn. */
  private readCounters(now: number): PathCounters | undefined {
    if (now !== this.countersReadAt) {
      this.countersReadAt = now
      this.counters = this.host.native.pathStats()[0]
    }
    return this.counters
  }

  /** The acknowledgement of a probe stream shows that what was sent before it has arrived or was found lost. */
  private openProbeStream(now: number): void {
    if (now - this.probedAt < probeInterval) return
    this.probedAt = now
    this.probes.openProbeStream()
  }

  private ping(now: number): void {
    if (now - this.pingedAt < pingInterval) return
    this.pingedAt = now
    this.probes.ping()
  }
}

/** The mean length, in bytes, of the packets that were sent in between and not lost. */
const meanLength = (before: PathCounters, after: PathCounters): number => {
  const packets = after.sent - before.sent - (after.lost - before.lost)
  return (after.sentBytes - before.sentBytes - (after.lostBytes - before.lostBytes)) / Math.max(packets, 1)
}
