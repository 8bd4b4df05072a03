/**
 * Whether the peer still answers. A peer is unresponsive when the first packet that it has not answered is a few probe timeouts
 * old (RFC 9002, section 6.2), whether or not other packets were sent after it. Probe timeouts grow with the round-trip time,
 * so a peer that is far away has longer. Like the binding's timers, this runs on the system's clock.
 */
import { minSilence, maxSilence, silentProbes } from "../tunables/liveness.ts"

/** The view of the connection. */
export interface ResponsivenessHost {
  /** How many packets have come that the peer did send. */
  readonly heard: () => number
  /** Whether something is to be sent or acknowledged, or an answer to come. */
  readonly isAwaited: () => boolean
  /** Whether only some of the peer's packets are taken: what was not heard may have come. */
  readonly isHeldBack: () => boolean
  readonly onUnresponsive: () => void
}

/**
 * Measures how long the oldest unanswered packet of one connection waits: `silentProbes` probe timeouts, and from
 * `minSilence` to `maxSilence` milliseconds.
 */
export class Responsiveness {
  private readonly host: ResponsivenessHost
  private dueAt = Infinity
  /** Whether something is in flight, and no packet has come since it was sent. */
  private unanswered = false
  /** The count of the peer's packets when the peer was first suspected. */
  private heardBefore: number | undefined = undefined
  private told = false

  constructor(host: ResponsivenessHost) {
    this.host = host
  }

  /** When the peer will have had enough time to answer, in `performance.now()` milliseconds. */
  get deadline(): number {
    return this.dueAt
  }

  /** A turn is over. `received` tells whether packets came in it; the probe timeout is in milliseconds, if it is set. */
  afterTurn(now: number, received: boolean, probeTimeout: number | undefined): void {
    if (received) {
      this.unanswered = false
      this.dueAt = Infinity
    }
    if (this.unanswered || probeTimeout === undefined) return
    this.unanswered = true
    this.dueAt = now + Math.min(Math.max(silentProbes * probeTimeout, minSilence), maxSilence)
  }

  /** The deadline has come. */
  suspect(): void {
    this.dueAt = Infinity
    const heard = this.host.heard()
    if (heard !== this.heardBefore) this.told = false
    this.heardBefore = heard
    this.tick()
  }

  /** Whether nothing is heard although something is awaited. After this was false, the owner is told again. */
  get isUnresponsive(): boolean {
    if (this.heardBefore !== undefined && this.host.heard() !== this.heardBefore) this.heardBefore = undefined
    const is = this.heardBefore !== undefined && this.host.isAwaited() && !this.host.isHeldBack()
    if (!is) this.told = false
    return is
  }

  /** Called in each sweep: the application may send something long after the peer fell silent. */
  tick(): void {
    if (!this.isUnresponsive || this.told) return
    this.told = true
    this.host.onUnresponsive()
  }
}
