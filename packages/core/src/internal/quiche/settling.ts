/**
 * Finding out that a stream's bytes have been acknowledged where the binding does not tell.
 */
import type { NativeConnection } from "./native.ts"
import type { SendStream } from "./sendStream.ts"

/**
 * Losses, one after the other, each of which may have been of the stream in question, after which it is taken to be
 * acknowledged all the same: on a path that loses a tenth of all packets that is wrong once in a hundred million times.
 */
const maxSettleLosses = 8

/** How often, in milliseconds, a stream that others keep from settling opens one to prove it by. */
const markInterval = 100

/** How often a peer that has been silent is asked for a sign of life, in milliseconds, while a stream waits for one. */
const nudgeInterval = 500

/** What it needs of its connection. */
export interface SettlingHost {
  readonly native: NativeConnection
  readonly touch: () => void
  readonly heardAt: () => number
  readonly idleTimeout: () => number
  /** Opens an empty stream that goes before all others. */
  readonly mark: () => void
  /** Lets what is left of a stream go before all others, marks too. */
  readonly hurry: (stream: SendStream) => void
}

export class Settling {
  private readonly host: SettlingHost
  /** The latest beginning of a stream that has been acknowledged, and when that was found. */
  private provenUntil = 0
  private provenAt = 0
  private nudgedAt = 0
  private markedAt = 0

  constructor(host: SettlingHost) {
    this.host = host
  }

  /** The peer has acknowledged all of this stream. */
  acknowledged(stream: SendStream, now: number): void {
    if (stream.begunAt <= this.provenUntil) return
    this.provenUntil = stream.begunAt
    this.provenAt = now
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
    const heardAt = this.host.heardAt()
    if (heardAt <= stream.settleFrom) {
      if (now - stream.settleFrom > nudgeInterval) this.nudge(now)
      return false
    }
    // With nothing in flight the only timer left is the idle one. While something is, the retransmission timer is due
    // sooner, unless the peer has been silent for long.
    const idle = this.host.idleTimeout()
    const silence = now - heardAt
    if (silence < idle / 16) {
      const timeout = this.host.native.timeout()
      if (timeout === null || timeout >= idle - silence - Math.min(50, idle / 10)) return true
    } else this.nudge(now)
    const path = this.host.native.pathStats()[0]
    if (path === undefined) return false
    if (stream.settleLost < 0) {
      // What is left of it, and what of it is sent again, goes before any stream that is begun later.
      this.host.hurry(stream)
      stream.settleLost = path.lost
      stream.settleFrom = now
    }
    if (this.provenUntil <= stream.settleFrom) {
      this.mark(now)
      return false
    }
    if (now - this.provenAt <= path.rtt * 1.5 + 5) return false
    if (path.lost === stream.settleLost) return true
    // Something was lost, perhaps of this stream: it has been sent again, and the wait begins again.
    stream.settleLosses += 1
    stream.settleLost = path.lost
    stream.settleFrom = now
    return stream.settleLosses >= maxSettleLosses
  }

  /** Has an empty stream opened, whose acknowledgement proves that what was sent before it has arrived or been found lost. */
  private mark(now: number): void {
    if (now - this.markedAt < markInterval) return
    this.markedAt = now
    this.host.mark()
  }

  private nudge(now: number): void {
    if (now - this.nudgedAt < nudgeInterval) return
    this.nudgedAt = now
    this.host.native.sendAckEliciting()
    this.host.touch()
  }
}
