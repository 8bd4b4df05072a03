/** Whether the peer of a memory connection is alive: idle timeout, keep-alive, and peers that do not respond. */
import { type Close, IdleTimedOut } from "@qp2p/core/Close"
import type { Timeline } from "../network/timeline.ts"

/** How long the peer may take to answer a probe of `checkAlive`, in milliseconds. */
const probeTimeout = 3_000

/**
 * Keep-alive packets are sent at multiples of this time, in milliseconds, so that hours on a `TestClock` do not take
 * long.
 */
const longestStep = 5_000

/** Keep-alive packets are sent at least after this share of the idle timeout. */
const keepAliveShare = 1 / 3

/** The silence after which a peer is reported as unresponsive, in milliseconds and in round trips. */
const leastSilence = 750
const silentRoundTrips = 3

/** What liveness needs of its connection. */
export interface LivenessHost {
  readonly timeline: Timeline
  readonly isEstablished: () => boolean
  readonly isClosed: () => boolean
  /** Whether an answer is due: something is to be sent or acknowledged, or an answer has yet to arrive. */
  readonly isAwaited: () => boolean
  /** The round trip time in milliseconds. */
  readonly roundTrip: () => number
  /** Sends a packet that the peer answers at once. */
  readonly ping: () => void
  readonly onUnresponsive: () => void
  /** The handshake has taken too long. */
  readonly onHandshakeTimedOut: () => void
  readonly finish: (close: Close) => void
}

/**
 * Keeps the timers of one end on Effect's clock: handshake timeout, idle timeout, keep-alive and probes, in milliseconds.
 */
export class Liveness {
  packetsReceived = 0
  private readonly host: LivenessHost
  private readonly dialled: boolean
  /** The handshake timeout, and then the idle timeout, in milliseconds. */
  private timeout: number
  private keepAlive = Infinity
  private step = longestStep
  /** When the handshake began, and from its end on, when the peer was last heard. */
  private heardAt: number
  private cancelTimer = () => {}
  private stopped = false
  /** When the oldest packet was sent that the peer has not answered. */
  private unansweredSince: number | undefined
  private watching = false
  /** The number of packets received when the peer came into doubt, and whether the owner was told. */
  private suspectedAfter: number | undefined
  private reported = false

  constructor(host: LivenessHost, dialled: boolean, handshakeTimeout: number) {
    this.host = host
    this.dialled = dialled
    this.timeout = handshakeTimeout
    this.heardAt = host.timeline.now()
  }

  /** Starts the timer. */
  start() {
    this.tick()
  }

  /** The handshake is complete: `idleTimeout` is the shorter of both sides. Both are in milliseconds. */
  establish(idleTimeout: number, keepAliveInterval: number) {
    this.timeout = idleTimeout
    this.keepAlive =
      keepAliveInterval === Infinity ? Infinity : Math.min(keepAliveInterval, idleTimeout * keepAliveShare)
    this.step = Math.min(Math.max(this.keepAlive / 4, 1), longestStep)
    this.heardAt = this.host.timeline.now()
    this.cancelTimer()
    this.tick()
  }

  stop() {
    this.stopped = true
    this.cancelTimer()
  }

  /** A packet of the peer has arrived. */
  heard() {
    // Packets do not prolong the handshake.
    if (this.host.isEstablished()) this.heardAt = this.host.timeline.now()
    this.packetsReceived++
    this.unansweredSince = undefined
    this.reported = false
  }

  /** Closes the connection unless the peer answers a probe in time. */
  checkAlive() {
    const before = this.packetsReceived
    this.probe()
    this.host.timeline.schedule(probeTimeout, () => {
      if (this.packetsReceived === before) this.host.finish(new IdleTimedOut())
    })
  }

  get isUnresponsive() {
    const is = this.suspectedAfter === this.packetsReceived && !this.host.isClosed() && this.host.isAwaited()
    // When the peer responds again, its next silence is reported again.
    if (!is) this.reported = false
    return is
  }

  /** Notes that a packet is about to be sent that the peer answers at once. */
  expectAnswer() {
    const { timeline } = this.host
    // A peer that is already silent matters as soon as something waits for its answer.
    if (this.suspectedAfter === this.packetsReceived) timeline.schedule(0, this.report)
    this.unansweredSince ??= timeline.now()
    if (!this.watching) this.watch(this.longestSilence)
  }

  private get longestSilence() {
    return Math.max(leastSilence, silentRoundTrips * this.host.roundTrip())
  }

  private watch(delay: number) {
    this.watching = true
    this.host.timeline.schedule(delay, () => {
      this.watching = false
      if (this.unansweredSince === undefined || this.stopped) return
      const left = this.unansweredSince + this.longestSilence - this.host.timeline.now()
      if (left > 0) return this.watch(left)
      this.suspectedAfter = this.packetsReceived
      this.report()
    })
  }

  private readonly report = () => {
    if (this.reported || !this.isUnresponsive) return
    this.reported = true
    this.host.onUnresponsive()
  }

  private probe() {
    if (this.host.isAwaited()) this.expectAnswer()
    this.host.ping()
  }

  /**
   * The time of the next keep-alive packet, which many connections share. The dialler sends one step before the
   * acceptor, which then has heard the dialler and need not send.
   */
  private pingAfter(time: number) {
    const ping = Math.floor((time + this.keepAlive) / this.step) * this.step
    return this.dialled || ping + 2 * this.step > time + this.timeout ? ping : ping + this.step
  }

  private readonly tick = () => {
    const { host } = this
    const now = host.timeline.now()
    const deadline = this.heardAt + this.timeout
    if (now >= deadline) return host.isEstablished() ? host.finish(new IdleTimedOut()) : host.onHandshakeTimedOut()
    let ping = this.pingAfter(this.heardAt)
    if (!host.isEstablished()) ping = deadline
    else if (now >= ping) {
      ping = this.pingAfter(now)
      this.probe()
    }
    this.cancelTimer = host.timeline.schedule(Math.min(deadline, ping) - now, this.tick)
  }
}
