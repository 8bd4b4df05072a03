/**
 * Addresses, and the links between them that packets travel on.
 *
 * @since 0.1.0
 */
import * as MutableList from "effect/MutableList"
import * as NetAddress from "effect/net/NetAddress"
import type { MemoryConnection } from "./connection.ts"
import type { Timeline } from "./timeline.ts"

/** Takes a dial that has arrived at a bound address; calls `answered` when its answer is back with the dialler. */
export type Host = (dialler: MemoryConnection, answered: () => void) => void

/** The first of the dynamic ports (RFC 6335, section 6). */
const firstPort = 49152
const lastPort = 65535

/** A wildcard address is reached, and seen by peers, as the loopback address of its family. */
export const reachable = (address: NetAddress.InetAddress): NetAddress.InetAddress =>
  NetAddress.isUnspecified(address.address)
    ? NetAddress.inetAddressUnsafe(
        NetAddress.isInetAddressV4(address) ? NetAddress.ipv4Loopback : NetAddress.ipv6Loopback,
        address.port
      )
    : address

export const keyOf = (address: NetAddress.InetAddress): string => NetAddress.formatInet(reachable(address))

/**
 * One direction between two addresses. Packets arrive in order. What is lost is sent again once the way is open, so
 * `arrive` always hands over the oldest packet, whichever it was that got through.
 */
export class Link {
  packets = 0
  bytes = 0
  lost = 0
  readonly from: string
  readonly to: string
  readonly kill: () => void
  private readonly wire: Wire
  private readonly underway = MutableList.make<() => void>()
  private unanswered = 0
  private closed = false

  constructor(wire: Wire, from: NetAddress.InetAddress, to: NetAddress.InetAddress, kill: () => void) {
    this.wire = wire
    this.from = keyOf(from)
    this.to = keyOf(to)
    this.kill = kill
    wire.links.add(this)
  }

  send(size: number, deliver: () => void) {
    if (this.closed) return
    this.packets++
    this.bytes += size
    MutableList.append(this.underway, deliver)
    this.travel()
  }

  /** Sends again what was lost. */
  resend() {
    for (let count = this.unanswered; count > 0; count--) {
      this.unanswered--
      this.travel()
    }
  }

  /** What is underway still arrives, with `notice` as the last packet. Nothing is sent again. */
  close(notice?: () => void) {
    if (this.closed) return
    this.closed = true
    this.wire.links.delete(this)
    if (notice === undefined) return
    this.packets++
    MutableList.append(this.underway, notice)
    this.travel()
  }

  private travel() {
    if (this.wire.isSevered(this.from, this.to)) this.lose()
    else this.wire.timeline.schedule(this.wire.latency, this.arrive)
  }

  private readonly arrive = () => {
    if (this.wire.isSevered(this.from, this.to)) return this.lose()
    const deliver = MutableList.take(this.underway)
    if (deliver !== MutableList.Empty) deliver()
  }

  private lose() {
    this.lost++
    this.unanswered++
  }
}

export class Wire {
  /** One way, in milliseconds. */
  latency = 0
  readonly timeline: Timeline
  readonly hosts = new Map<string, Host>()
  readonly links = new Set<Link>()
  readonly refused = new Set<string>()
  readonly blackholes = new Set<string>()
  readonly partitions = new Set<string>()
  private readonly ports = new Map<string, number>()
  private dials = 0

  constructor(timeline: Timeline) {
    this.timeline = timeline
  }

  /** The address bound, or nothing if it is in use. */
  bind(wanted: NetAddress.InetAddress, host: Host): NetAddress.InetAddress | undefined {
    const address = wanted.port === 0 ? this.ephemeral(wanted) : wanted
    if (address === undefined || this.hosts.has(keyOf(address))) return undefined
    this.hosts.set(keyOf(address), host)
    return address
  }

  /** A dial's place among all, as text that sorts. */
  nextSeniority(): string {
    return String(this.dials++).padStart(16, "0")
  }

  isSevered(a: string, b: string) {
    return this.blackholes.has(a) || this.blackholes.has(b) || this.partitions.has(pairOf(a, b))
  }

  private ephemeral({ address }: NetAddress.InetAddress) {
    const ip = keyOf(NetAddress.inetAddressUnsafe(address, 0))
    let port = this.ports.get(ip) ?? firstPort
    for (let tries = firstPort; tries <= lastPort; tries++) {
      const found = NetAddress.inetAddressUnsafe(address, port)
      port = port === lastPort ? firstPort : port + 1
      this.ports.set(ip, port)
      if (!this.hosts.has(keyOf(found))) return found
    }
    return undefined
  }
}

export const pairOf = (a: string, b: string): string => (a < b ? `${a} ${b}` : `${b} ${a}`)
