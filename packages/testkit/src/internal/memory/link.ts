/** One direction of a connection: ordered packets with retransmission. */
import type { Close } from "@qp2p/core/Close"
import * as MutableList from "effect/MutableList"
import type { Place } from "../network/place.ts"
import type { Port } from "../network/realm.ts"
import type { PacketOutcome, Wire } from "../network/wire.ts"

/**
 * How long a lost packet waits before it is sent again, in milliseconds: as in RFC 9002, section 6.2.2, without a known
 * round trip time.
 */
const firstProbe = 1_000
const lastProbe = 8_000

/** Delivers a packet where it has arrived; `port` is undefined when no socket is bound there. */
export type Deliver<P> = (port: P | undefined, source: Place) => void

/** What a link needs of its wire: the way to the peer, and the set of the links that `resend` reaches. */
export interface LinkWire<P extends Port> extends Pick<Wire<P>, "timeline" | "transmit"> {
  readonly links: Set<Link<P>>
}

/**
 * Packets arrive in order. Lost packets are sent again, so each arrival delivers the oldest packet, whichever it was
 * that got through.
 */
export class Link<P extends Port> implements PacketOutcome<P> {
  packets = 0
  bytes = 0
  lost = 0
  /** The latency of the latest packet, in milliseconds. */
  latency = 0
  readonly from: Port
  to: Place
  /** Ends the connection at this end alone. */
  readonly end: (close: Close) => void
  private readonly wire: LinkWire<P>
  private readonly reaches: (port: P | undefined) => boolean
  private readonly inFlight = MutableList.make<Deliver<P>>()
  private latest = 0
  private unanswered = 0
  private probe = firstProbe
  private probing = false
  private closed = false

  /** `reaches` tells whether packets for that port reach the peer's end; otherwise they are lost. */
  constructor(
    wire: LinkWire<P>,
    from: Port,
    to: Place,
    reaches: (port: P | undefined) => boolean,
    end: (close: Close) => void
  ) {
    this.wire = wire
    this.reaches = reaches
    this.from = from
    this.to = to
    this.end = end
    wire.links.add(this)
  }

  send(size: number, deliver: Deliver<P>) {
    if (this.closed) return
    MutableList.append(this.inFlight, deliver)
    this.transmit(size)
  }

  /** Sends lost packets again, at once. */
  resend() {
    this.probe = firstProbe
    this.retransmit()
  }

  /** Packets in flight still arrive, with `notice` as the last one. No packet is sent again. */
  close(notice?: Deliver<P>) {
    if (this.closed) return
    this.closed = true
    this.wire.links.delete(this)
    if (notice === undefined) return
    MutableList.append(this.inFlight, notice)
    this.transmit(0)
  }

  readonly arrive = (port: P | undefined, source: Place) => {
    if (!this.reaches(port)) return this.lose()
    this.probe = firstProbe
    const deliver = MutableList.take(this.inFlight)
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
      this.retransmit()
    })
  }

  private transmit(size: number) {
    this.packets++
    this.bytes += size
    const now = this.wire.timeline.now()
    this.latest = this.wire.transmit(this.from, this.to, size, this.latest, this)
    this.latency = Math.max(0, this.latest - now)
  }

  private retransmit() {
    if (this.closed) return
    const count = this.unanswered
    this.unanswered = 0
    for (let i = 0; i < count; i++) this.transmit(0)
  }
}
