/** One direction of a connection: ordered packets with retransmission. */
import * as MutableList from "effect/MutableList"
import type { Place } from "../network/place.ts"
import type { Port } from "../network/realm.ts"
import type { Fate } from "../network/wire.ts"
import type { MemoryPort, MemoryWire } from "./port.ts"

/**
 * How long a lost packet waits before it is sent again, in milliseconds: as in RFC 9002, section 6.2.2, without a known
 * round trip time.
 */
const firstProbe = 1_000
const lastProbe = 8_000

/** Delivers a packet where it has arrived; `port` is undefined when no socket is bound there. */
export type Deliver = (port: MemoryPort | undefined, source: Place) => void

/**
 * Packets arrive in order. Lost packets are sent again, so each arrival delivers the oldest packet, whichever it was
 * that got through.
 */
export class Link implements Fate<MemoryPort> {
  packets = 0
  bytes = 0
  lost = 0
  /** The latency of the latest packet, in milliseconds. */
  latency = 0
  readonly from: Port
  to: Place
  readonly kill: () => void
  private readonly wire: MemoryWire
  private readonly reaches: (port: MemoryPort | undefined) => boolean
  private readonly underway = MutableList.make<Deliver>()
  private latest = 0
  private unanswered = 0
  private probe = firstProbe
  private probing = false
  private closed = false

  /** `reaches` tells whether packets for that port and source reach the peer's end; otherwise they are lost. */
  constructor(
    wire: MemoryWire,
    from: Port,
    to: Place,
    reaches: (port: MemoryPort | undefined) => boolean,
    kill: () => void
  ) {
    this.wire = wire
    this.reaches = reaches
    this.from = from
    this.to = to
    this.kill = kill
    wire.links.add(this)
  }

  send(size: number, deliver: Deliver) {
    if (this.closed) return
    MutableList.append(this.underway, deliver)
    this.travel(size)
  }

  /** Sends lost packets again, at once. */
  resend() {
    this.probe = firstProbe
    this.repeat()
  }

  /** Packets in flight still arrive, with `notice` as the last one. No packet is sent again. */
  close(notice?: Deliver) {
    if (this.closed) return
    this.closed = true
    this.wire.links.delete(this)
    if (notice === undefined) return
    MutableList.append(this.underway, notice)
    this.travel(0)
  }

  readonly arrive = (port: MemoryPort | undefined, source: Place) => {
    if (!this.reaches(port)) return this.lose()
    this.probe = firstProbe
    const deliver = MutableList.take(this.underway)
    if (deliver !== MutableList.Empty) deliver(port, source)
  }

  readonly lose = () => {
    this.lost++
    this.unanswered++
    if (this.probing || this.closed) return
    this.probing = true
    this.wire.timeline.schedule(this.probe, () => {
      this.probing = false
      this.probe = Math.min(2 * this.probe, lastProbe)
      this.repeat()
    })
  }

  private travel(size: number) {
    this.packets++
    this.bytes += size
    const now = this.wire.timeline.now()
    this.latest = this.wire.transmit(this.from, this.to, size, this.latest, this)
    this.latency = Math.max(0, this.latest - now)
  }

  private repeat() {
    if (this.closed) return
    const count = this.unanswered
    this.unanswered = 0
    for (let i = 0; i < count; i++) this.travel(0)
  }
}
