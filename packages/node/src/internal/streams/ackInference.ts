/**
 * Finding out that a stream's bytes have been acknowledged where the binding does not tell.
 */
import type { NativeConnection } from "../binding/native.ts"
import type { SendStream } from "./sendStream.ts"

/**
 * Losses, one after the other, each of which may have been of the stream in question, after which it is taken to be
 * acknowledged all the same: on a path that loses a tenth of all packets that is wrong once in a hundred million times.
 */
const maxLosses = 8

/**
 * That is not right of a path that carries no packets as long as those of the stream: what did get through must have been
 * this long on the average, as a share of what the stream would fill.
 */
const minShare = 0.75

/**
 * How many round trips an idle timeout must have at least for the binding's one timer to tell it from a retransmission
 * timer. That is due after a round trip and four times its variation, which is at most twice as much, and after twice that
 * when it has expired once: 18 round trips (RFC 9002, section 6.2).
 */
const minIdleRoundTrips = 32

/** How often, in milliseconds, a stream that others keep from settling opens one to prove it by. */
const markInterval = 100

/** How often a peer that has been silent is asked for a sign of life, in milliseconds, while a stream waits for one. */
const nudgeInterval = 500

/** What is found out while it is open whether a stream's bytes were lost. */
export interface Proof {
  /** The connection's counters when it began. */
  readonly since: Counters
  /** Its losses when they were looked at last. */
  lost: number
  /** How many times there were more. */
  losses: number
}

/** What the binding counts of a path. */
interface Counters {
  readonly recv: number
  readonly rtt: number
  readonly pmtu: number
  readonly sent: number
  readonly lost: number
  readonly sentBytes: number
  readonly lostBytes: number
}

/** What it needs of its connection. */
export interface SettlingHost {
  readonly native: NativeConnection
  /** When the last packet came that the peer did send; `recv` of them have. */
  readonly heardAt: (recv: number) => number
  readonly idleTimeout: () => number
}

/** What it needs of the sending side. */
export interface SettlingStreams {
  /** Opens an empty stream that goes before all others. */
  readonly mark: () => void
  /** Lets what is left of a stream go before all others, marks too. */
  readonly hurry: (stream: SendStream) => void
  /** Asks the peer for a sign of life. */
  readonly ping: () => void
}

export class Settling {
  private readonly host: SettlingHost
  private readonly streams: SettlingStreams
  /** The latest beginning of a stream that has been acknowledged, and when that was found. */
  private provenUntil = 0
  private provenAt = 0
  private path: Counters | undefined = undefined
  private lookedAt = -Infinity
  private nudgedAt = 0
  private markedAt = 0
  /** Timers that have expired since the peer acknowledged something for certain: each doubles the retransmission timer. */
  private expirations = 0

  constructor(host: SettlingHost, streams: SettlingStreams) {
    this.host = host
    this.streams = streams
  }

  /** The binding says that the peer has acknowledged all of this stream. */
  acknowledged(stream: SendStream, now: number): void {
    this.expirations = 0
    if (stream.begunAt <= this.provenUntil) return
    this.provenUntil = stream.begunAt
    this.provenAt = now
  }

  /** One of the binding's timers has expired. */
  expired(): void {
    this.expirations += 1
  }

  /**
   * Whether everything that `stream` wrote has been acknowledged, found without asking for the stream. Either nothing at
   * all is in flight; or a stream begun later was acknowledged, so long ago that the loss of anything earlier would have
   * been declared (RFC 9002, section 6.1.2), and none was.
   *
   * Three cases need this. quiche forgets a fin that is sent alone while data is in flight, once that data is
   * acknowledged, so such a fin waits. It forgets a reset the same way, and sends a fin in place of data that it had still
   * to send. And it keeps a bidirectional stream until its other half has been read, which hides the acknowledgement of
   * this half.
   */
  settled(stream: SendStream, now: number): boolean {
    const path = this.look(now)
    if (path === undefined) return false
    const heardAt = this.host.heardAt(path.recv)
    if (heardAt <= stream.settleFrom) {
      if (now - stream.settleFrom > nudgeInterval) this.nudge(now)
      return false
    }
    const idle = this.host.idleTimeout()
    const silence = now - heardAt
    if (silence >= idle / 16) this.nudge(now)
    else if (this.expirations <= 1 && idle >= path.rtt * minIdleRoundTrips) {
      // With nothing in flight the only timer left is the idle one. While something is, the retransmission timer is due
      // sooner.
      const timeout = this.host.native.timeout()
      if (timeout === null || timeout >= idle - silence - Math.min(50, idle / 10)) return true
    }
    if (stream.proof === undefined) {
      // What is left of it, and what of it is sent again, goes before any stream that is begun later.
      this.streams.hurry(stream)
      stream.proof = { since: path, lost: path.lost, losses: 0 }
      stream.settleFrom = now
    }
    if (this.provenUntil <= stream.settleFrom) {
      this.mark(now)
      return false
    }
    if (now - this.provenAt <= path.rtt * 1.5 + 5) return false
    const { proof } = stream
    if (path.lost === proof.lost) return true
    // Something was lost, perhaps of this stream: it has been sent again, and the wait begins again.
    proof.losses += 1
    proof.lost = path.lost
    stream.settleFrom = now
    return proof.losses >= maxLosses && passed(proof.since, path) >= minShare * Math.min(stream.written, path.pmtu)
  }

  /** What the binding has counted, asked once in a turn. */
  private look(now: number): Counters | undefined {
    if (now !== this.lookedAt) {
      this.lookedAt = now
      this.path = this.host.native.pathStats()[0]
    }
    return this.path
  }

  /** Has an empty stream opened, whose acknowledgement proves that what was sent before it has arrived or been found lost. */
  private mark(now: number): void {
    if (now - this.markedAt < markInterval) return
    this.markedAt = now
    this.streams.mark()
  }

  private nudge(now: number): void {
    if (now - this.nudgedAt < nudgeInterval) return
    this.nudgedAt = now
    this.streams.ping()
  }
}

/** How long the packets were on the average, in bytes, that were sent in between and not lost. */
const passed = (before: Counters, after: Counters): number => {
  const packets = after.sent - before.sent - (after.lost - before.lost)
  return (after.sentBytes - before.sentBytes - (after.lostBytes - before.lostBytes)) / Math.max(packets, 1)
}
