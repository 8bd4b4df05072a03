/**
 * The times of one connection on Effect's clock: its handshake timeout, keep-alive, stall timeout, and liveness probes. The
 * socket's sweep calls `tick` now and then. A time begins with the first tick that finds its reason, so it never ends early,
 * and at most two ticks late.
 */
import { keepAliveInterval } from "@qp2p/core/KeepAlive"
import * as tunables from "../tunables/liveness.ts"
import type { State } from "./lifecycle.ts"

/** All in milliseconds. */
export interface Limits {
  readonly keepAlive: number
  readonly handshake: number
  readonly stall: number
}

/** The view of the connection. */
export interface LivenessHost {
  readonly state: () => State
  /** How many packets have come that the peer did send. */
  readonly heard: () => number
  /** Whether the connection waits for the peer and has made no progress since this was last called. */
  readonly isStalled: () => boolean
  /** How long the peer has gone on with a stream that it was asked to stop, in milliseconds; `elapsed` since the last call. */
  readonly oldestStop: (elapsed: number) => number
  /** The idle timeout that both sides agreed on, in milliseconds. */
  readonly idleTimeout: () => number
  /** Whether the peer owes an answer. */
  readonly awaitsAnswer: () => boolean
  readonly ping: () => void
  readonly onHandshakeTimeout: () => void
  readonly onStall: () => void
  /** The peer has not answered a liveness probe in time. */
  readonly onSilence: () => void
}

/**
 * Sends the keep-alive PINGs of one connection, and reports timeouts of the handshake, of stalls and of probes. Intervals
 * are in milliseconds.
 */
export class Liveness {
  private readonly host: LivenessHost
  /** The share of the keep-alive interval after which this end pings, unless it was the last to ping. */
  private readonly share: number
  /** Whether anything was sent since the last tick. */
  private active = true
  /** Whether a ping is what was sent last, and whether one has been sent since the last tick. */
  private pinged = false
  private pinging = false
  private idleFor = 0
  /** How long a peer that owes an answer may be silent until it is pinged. */
  private reminder = tunables.firstReminder
  private handshakingFor: number | undefined = undefined
  private stalledFor: number | undefined = undefined
  private probingFor: number | undefined = undefined
  /** The count of the peer's packets when the peer was first probed. */
  private heardBefore: number | undefined = undefined

  /**
   * `keepAliveJitter`, from 0 to 1, makes the keep-alive intervals of this connection 10 to 25 % shorter, so that connections
   * that began together do not all ping at once.
   *
   * It does not do so while this end was the last to ping: the two ends take turns. The binding keeps the state of each
   * acknowledgement that it has sent, up to 24 copies, until the peer acknowledges a later packet of this side's. An end that
   * only answered would keep all of that state.
   */
  constructor(host: LivenessHost, keepAliveJitter: number) {
    this.host = host
    this.share = 0.9 - 0.15 * keepAliveJitter
  }

  /** Records that a packet was sent. */
  packetSent(): void {
    this.active = true
  }

  /** Pings the peer, each time it is called. The time for the answer is counted from the first call. */
  probe(): void {
    this.heardBefore ??= this.host.heard()
    this.host.ping()
  }

  /** Called by the sweep; the last call was `elapsed` milliseconds ago. */
  tick(elapsed: number, limits: Limits): void {
    const { host } = this
    const state = host.state()
    if (state === "handshaking" || state === "admitting") {
      const before = this.handshakingFor
      this.handshakingFor = longer(before, elapsed)
      if ((before ?? 0) < limits.handshake && this.handshakingFor >= limits.handshake) host.onHandshakeTimeout()
    } else if (state === "established") {
      this.keepAlive(elapsed, keepAliveInterval(limits.keepAlive, host.idleTimeout()))
      // The binding does not repeat lost MAX_STREAMS and STOP_SENDING frames, so a connection or one of its streams can stall
      // for good.
      this.stalledFor = host.isStalled() ? longer(this.stalledFor, elapsed) : undefined
      if (Math.max(this.stalledFor ?? 0, host.oldestStop(elapsed)) >= limits.stall) host.onStall()
      if (this.heardBefore !== undefined) this.awaitProbe(this.heardBefore, elapsed)
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
    if (this.idleFor < interval * (this.pinged ? 1 : this.share)) {
      // A peer that owes an answer is pinged sooner: it may have died.
      if (this.idleFor < this.reminder || interval === Infinity || !this.host.awaitsAnswer()) return
      this.reminder *= 2
    }
    this.pinging = true
    this.host.ping()
  }

  private awaitProbe(heardBefore: number, elapsed: number): void {
    this.probingFor = longer(this.probingFor, elapsed)
    if (this.host.heard() > heardBefore) this.heardBefore = this.probingFor = undefined
    else if (this.probingFor >= tunables.livenessProbeTimeout) this.host.onSilence()
    else this.host.ping()
  }
}

const longer = (time: number | undefined, elapsed: number): number => (time === undefined ? 0 : time + elapsed)
