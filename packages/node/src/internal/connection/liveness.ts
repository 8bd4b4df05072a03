/**
 * What is timed about one connection by Effect's clock: its handshake, its silence, its stalls, and its answer when it is
 * asked for a sign of life. The socket's housekeeping looks at it now and then and tells how long ago it last did. A time
 * begins with the first look that finds its reason, so nothing ends early, and nothing more than two looks late.
 */
import { keepAliveInterval } from "@qp2p/core/KeepAlive"
import * as tunables from "../tunables.ts"

/** In milliseconds. */
export interface Limits {
  readonly keepAlive: number
  readonly handshake: number
  readonly stall: number
}

/** What the watch sees of the connection, and does to it. */
export interface Watched {
  readonly phase: "handshaking" | "established" | "draining" | "closed"
  /** Packets that the peer did send. */
  readonly heard: () => number
  /** Whether it waits for the peer and has not got on since this was last asked. */
  readonly stalled: () => boolean
  /** For how long, in milliseconds, the peer has gone on with a stream that it was asked to stop. */
  readonly oldestStop: (elapsed: number) => number
  /** The idle timeout that both sides agreed on, in milliseconds. */
  readonly idleTimeout: () => number
  /** Whether the peer owes an answer. */
  readonly awaitsAnswer: () => boolean
  /** Tells when streams wait for others that nobody ends. */
  readonly lookForHeld: () => void
  readonly ping: () => void
  /** Issues the connection ids that the peer is short of. */
  readonly issueIds: (elapsed: number) => void
  /** Finds out whether the peer does not answer any more, and tells. */
  readonly checkResponsive: () => void
  readonly onHandshakeTimeout: () => void
  readonly onStall: () => void
  readonly onSilence: () => void
}

export class Watch {
  /** Whether anything was sent since the last look. */
  active = true
  private readonly watched: Watched
  /** Of the keep-alive interval, as a share: how long it waits when it is not the one that has pinged last. */
  private readonly patience: number
  /** Whether a ping is what was sent last, and whether one has been sent since the last look. */
  private pinged = false
  private pinging = false
  private idleFor = 0
  /** How long a peer that owes an answer may be silent until it is pinged. */
  private reminder = tunables.firstReminder
  private handshakingFor: number | undefined = undefined
  private stalledFor: number | undefined = undefined
  private doubtedFor: number | undefined = undefined
  /** What had been heard when a sign of life was asked for. */
  private heardBefore: number | undefined = undefined

  /**
   * Connections that began together must not all be kept alive in one go: a `phase` of 0 to 1 makes the intervals of this
   * one 10 to 25 % shorter.
   *
   * Not those of the end that has pinged last: the two take turns. The binding keeps what it knows of an acknowledgement
   * that it has sent, up to 24 times over, until something later of its own is acknowledged. An end that only ever
   * answered would keep all of that.
   */
  constructor(watched: Watched, phase: number) {
    this.watched = watched
    this.patience = 0.9 - 0.15 * phase
  }

  /** Pings each time it is asked; how long the answer may take is counted from the first. */
  askForLife(): void {
    this.heardBefore ??= this.watched.heard()
    this.watched.ping()
  }

  look(elapsed: number, limits: Limits): void {
    const { watched } = this
    if (watched.phase === "handshaking") {
      const before = this.handshakingFor
      this.handshakingFor = longer(before, elapsed)
      if ((before ?? 0) < limits.handshake && this.handshakingFor >= limits.handshake) watched.onHandshakeTimeout()
    } else if (watched.phase === "established") {
      this.keepAlive(elapsed, keepAliveInterval(limits.keepAlive, watched.idleTimeout()))
      watched.checkResponsive()
      watched.issueIds(elapsed)
      watched.lookForHeld()
      // Lost MAX_STREAMS and STOP_SENDING frames are not repeated by the binding, so a connection or one of its streams
      // can come to a stop for good.
      this.stalledFor = watched.stalled() ? longer(this.stalledFor, elapsed) : undefined
      if (Math.max(this.stalledFor ?? 0, watched.oldestStop(elapsed)) >= limits.stall) watched.onStall()
      if (this.heardBefore !== undefined) this.doubt(this.heardBefore, elapsed)
    }
  }

  private keepAlive(elapsed: number, interval: number): void {
    if (this.active) {
      this.active = false
      this.idleFor = 0
      if (!this.pinging) this.reminder = tunables.firstReminder
      this.pinged = this.pinging
      this.pinging = false
      return
    }
    this.idleFor += elapsed
    if (this.idleFor < interval * (this.pinged ? 1 : this.patience)) {
      // Before it is due, too, when the peer owes an answer: it may have died.
      if (this.idleFor < this.reminder || interval === Infinity || !this.watched.awaitsAnswer()) return
      this.reminder *= 2
    }
    this.pinging = true
    this.watched.ping()
  }

  private doubt(heardBefore: number, elapsed: number): void {
    this.doubtedFor = longer(this.doubtedFor, elapsed)
    if (this.watched.heard() > heardBefore) this.heardBefore = this.doubtedFor = undefined
    else if (this.doubtedFor >= tunables.lifeSign) this.watched.onSilence()
    else this.watched.ping()
  }
}

const longer = (time: number | undefined, elapsed: number): number => (time === undefined ? 0 : time + elapsed)
