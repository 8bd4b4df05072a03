/**
 * Limits what streams of a negative priority have in flight, so that they keep the queue in front of the path's narrowest link
 * short.
 *
 * The congestion window lets a long stream fill that queue, and what is sent after it waits there, whatever its priority: for five
 * round trips, over a path of 50 Mbit/s and 20 ms. BBR means to empty the queue by pacing, which neither the binding nor the driver
 * does. So streams that are to hold back no others are held to a window of their own, by the delay that they cause, as in LEDBAT
 * (RFC 6817). Within the congestion window it is the limit only where the delay grows.
 */
import { Fifo } from "@qp2p/core/Fifo"
import * as tunables from "../tunables/background.ts"

/** What was written at one moment. */
interface Mark {
  /** The packets in which it left. */
  readonly first: number
  readonly last: number
  readonly at: number
  /** All bytes up to it, and with it, and those of them in flight. */
  readonly before: number
  readonly written: number
  readonly inFlight: number
}

/** The window of the background streams of one connection. Times are in `performance.now()` milliseconds. */
export class BackgroundWindow {
  private readonly marks = new Fifo<Mark>()
  private written = 0
  private acknowledged = 0
  /** What was written when the last mark was set; when something was written since, and the next packet when that began. */
  private marked = 0
  private writtenAt = 0
  private nextPacket = 0
  /** Bytes that may be in flight. */
  private limit = Infinity
  /** The shortest round trips of this interval and of the one before. */
  private shortest = Infinity
  private shortestBefore = Infinity
  private intervalEnd = 0
  /** The round ends when this packet is acknowledged. */
  private roundEnd = -1
  private shortestOfRound = Infinity
  private mostOfRound = 0
  /** When the peer acknowledged something last, or the first bytes in flight were written. */
  private progressAt = 0

  /** Whether anything is in flight. */
  get isActive(): boolean {
    return this.written > this.acknowledged
  }

  /** Bytes that may be written now. */
  get room(): number {
    return this.limit - (this.written - this.acknowledged)
  }

  /** When to give up on acknowledgements; `Infinity` while nothing is held back. */
  get deadline(): number {
    return this.isActive && this.room <= 0 ? this.progressAt + tunables.backgroundPatience : Infinity
  }

  /** Bytes were written: they leave in packets from `nextPacket` on. */
  wrote(bytes: number, now: number, nextPacket: number): void {
    if (!this.isActive) this.progressAt = now
    if (this.written === this.marked) this.nextPacket = nextPacket
    this.written += bytes
    this.writtenAt = now
  }

  /**
   * Takes note of what has left and arrived, before anything else is written: the last packet sent, and the largest that the peer
   * has acknowledged.
   */
  update(now: number, lastSent: number, largest: number): void {
    const { marked, marks, nextPacket, written } = this
    if (written > marked && lastSent >= nextPacket) {
      const inFlight = written - this.acknowledged
      marks.push({ first: nextPacket, last: lastSent, at: this.writtenAt, before: marked, written, inFlight })
      this.marked = written
    }
    const before = this.acknowledged
    let arrived: Mark | undefined
    for (let mark = marks.first; mark !== undefined && mark.last <= largest; mark = marks.first) arrived = marks.shift()
    if (arrived !== undefined) this.acknowledged = arrived.written
    const part = marks.first
    // Of what left in many packets, the first make room before the last arrive. Otherwise the path would idle between bursts.
    if (part !== undefined && part.first <= largest) {
      const share = (largest - part.first + 1) / (part.last - part.first + 1)
      this.acknowledged = Math.floor(part.before + (part.written - part.before) * share)
    }
    if (this.acknowledged > before) {
      this.progressAt = now
      if (arrived !== undefined) this.measured(now, now - arrived.at, arrived, lastSent)
    } else if (now >= this.deadline) this.forget()
  }

  /** A round trip took so long. */
  private measured(now: number, roundTrip: number, { inFlight, last }: Mark, lastSent: number): void {
    if (now >= this.intervalEnd) {
      this.intervalEnd = now + tunables.shortestInterval
      this.shortestBefore = this.shortest
      this.shortest = Infinity
      // What was queued is not to be taken for the path: the queue gets empty for a moment.
      if (this.limit < Infinity) this.limit = Math.max(Math.ceil(this.limit / 2), tunables.minBackgroundWindow)
    }
    this.shortest = Math.min(this.shortest, roundTrip)
    this.shortestOfRound = Math.min(this.shortestOfRound, roundTrip)
    this.mostOfRound = Math.max(this.mostOfRound, inFlight)
    if (last < this.roundEnd) return
    this.adapt()
    this.roundEnd = lastSent + 1
    this.shortestOfRound = Infinity
    this.mostOfRound = 0
  }

  /** Once in a round trip: half way to the window that causes the delay that is accepted, as in FAST TCP. */
  private adapt(): void {
    const wanted = Math.min(this.shortest, this.shortestBefore) + tunables.maxBackgroundDelay
    const factor = Math.min(wanted / this.shortestOfRound, 2)
    if (this.limit === Infinity) {
      if (factor < 1) this.limit = Math.max(Math.ceil(this.mostOfRound * factor), tunables.minBackgroundWindow)
      return
    }
    // A window that is not used says nothing about a larger one.
    if (factor > 1 && this.mostOfRound < this.limit / 2) return
    this.limit = Math.max(Math.ceil((this.limit * (1 + factor)) / 2), tunables.minBackgroundWindow)
    if (this.limit > tunables.maxBackgroundWindow) this.limit = Infinity
  }

  /** The peer acknowledges packets that are not those that were counted: nothing holds the streams back for ever. */
  private forget(): void {
    this.marks.drain()
    this.acknowledged = this.marked = this.written
    this.limit = Infinity
    this.roundEnd = -1
  }
}
