/** One direction of a connection. */
import * as MutableList from "effect/MutableList"
import type { Place } from "../network/place.ts"
import type { Port } from "../network/realm.ts"
import type { Fate } from "../network/wire.ts"
import type { MemoryPort, MemoryWire } from "./port.ts"

/** How long what was lost waits before it is sent again, in milliseconds: as RFC 9002, section 6.2.2, without a round trip known. */
const firstProbe = 1_000
const lastProbe = 8_000

/** Takes a packet where it has arrived; perhaps nobody is there. */
export type Deliver = (port: MemoryPort | undefined, source: Place) => void

/**
 * Packets arrive in order. What is lost is sent again, so an arrival always hands over the oldest packet, whichever it
 * was that got through.
 */
export class Link implements Fate<MemoryPort> {
  packets = 0
  bytes = 0
  lost = 0
  /** How long the latest packet was on its way, in milliseconds. */
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

  /** `reaches` tells whether packets that come there have come to whom they are for; else they are lost. */
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

  /** Sends again what was lost, at once. */
  resend() {
    this.probe = firstProbe
    this.repeat()
  }

  /** What is underway still arrives, with `notice` as the last packet. Nothing is sent again. */
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
