/**
 * Whether the peer still answers: what was sent first and not answered has had a few probe timeouts (RFC 9002, section
 * 6.2), whatever was sent after it. They are as long as the path makes them, so a peer that is far away has longer. Like
 * the binding's timers, this runs on the system's clock.
 */
import { leastSilence, mostSilence, silentProbes } from "../tunables.ts"

/** What is known of the connection, and whom to tell. */
export interface Answering {
  /** Packets that the peer did send. */
  readonly heard: () => number
  /** Whether somebody would miss the peer: something is to be sent or acknowledged, or an answer to come. */
  readonly isAwaited: () => boolean
  readonly onUnresponsive: () => void
}

export class Responsiveness {
  /** When the peer will have had time enough to answer. */
  due = Infinity
  private readonly peer: Answering
  /** Whether something is under way that was not answered, and nothing has come since it was sent. */
  private unanswered = false
  /** What had been heard when the peer came to be suspected. */
  private heardBefore: number | undefined = undefined
  private told = false

  constructor(peer: Answering) {
    this.peer = peer
  }

  /** A turn is over, in which packets have come or not. The retransmission timer is due in so much, if it is set. */
  turned(now: number, received: boolean, probeTimeout: number | undefined): void {
    if (received) {
      this.unanswered = false
      this.due = Infinity
    }
    if (this.unanswered || probeTimeout === undefined) return
    this.unanswered = true
    this.due = now + Math.min(Math.max(silentProbes * probeTimeout, leastSilence), mostSilence)
  }

  /** `due` has come. */
  suspect(): void {
    this.due = Infinity
    const heard = this.peer.heard()
    if (heard !== this.heardBefore) this.told = false
    this.heardBefore = heard
    this.look()
  }

  /** Whether nothing is heard although somebody waits for it. Whoever has seen that it is not so is told anew. */
  get isUnresponsive(): boolean {
    if (this.heardBefore !== undefined && this.peer.heard() !== this.heardBefore) this.heardBefore = undefined
    const is = this.heardBefore !== undefined && this.peer.isAwaited()
    if (!is) this.told = false
    return is
  }

  /** Now and then: what is waited for may have come up long after the peer fell silent. */
  look(): void {
    if (!this.isUnresponsive || this.told) return
    this.told = true
    this.peer.onUnresponsive()
  }
}
