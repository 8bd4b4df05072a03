/** The way of a packet from one socket to another, through gateways and network conditions. */
import { Conditions } from "./conditions.ts"
import { Nat } from "./nat.ts"
import type { Place } from "./place.ts"
import { type Port, Realm } from "./realm.ts"
import type { Timeline } from "./timeline.ts"

/** The outcome of a packet: exactly one of the two is called. */
export interface PacketOutcome<P> {
  /** It arrived at `port`, or where no socket is bound, and seems to come from `source`. */
  readonly arrive: (port: P | undefined, source: Place) => void
  /** It was dropped on the way. It may be sent again. */
  readonly lose: () => void
}

/** A packet that has left its own realm: where it is now, and where it seems to come from. */
interface Departed {
  readonly realm: Realm
  readonly source: Place
}

/** The realm of a packet's destination, and the destination's place there. */
interface Arrived {
  readonly realm: Realm
  readonly place: Place
}

/** The options of a gateway with defaults filled in. */
export interface GatewayOptions extends Pick<Nat, "kind" | "hairpinning" | "address"> {
  /** How long a mapping lives, in milliseconds. */
  readonly lifetime: number
  /** The realm that the gateway is in; the public network by default. */
  readonly outside?: Realm | undefined
}

/** Carries packets between ports, with the latency, the loss and the address translation of the path. */
export class Wire<P extends Port> {
  readonly timeline: Timeline
  /** Draws from 0 to 1. */
  readonly random: () => number
  readonly conditions = new Conditions()
  readonly internet = new Realm()

  constructor(timeline: Timeline, random: () => number) {
    this.timeline = timeline
    this.random = random
  }

  /**
   * Sends a packet of `size` bytes, which arrives no sooner than `notBefore`. Returns the time at which it arrives, or
   * would.
   */
  transmit(from: Port, to: Place, size: number, notBefore: number, outcome: PacketOutcome<P>): number {
    const departed = depart(from.realm, from.place, to)
    if (departed === undefined || this.conditions.isSevered([from.home, departed.source], [to])) {
      outcome.lose()
      return notBefore
    }
    const { timeline } = this
    const now = timeline.now()
    const transit = this.conditions.transit(from.home, to, size, now)
    if (transit === Number.POSITIVE_INFINITY) {
      outcome.lose()
      return notBefore
    }
    const due = Math.max(now + transit, notBefore)
    timeline.schedule(due - now, () => {
      const arrived = arrival(departed.realm, to, departed.source)
      if (arrived === undefined) return outcome.lose()
      const port = arrived.realm.portAt(arrived.place) as P | undefined
      const severed = this.conditions.isSevered([from.home, departed.source], [to, port?.home ?? arrived.place])
      if (severed) outcome.lose()
      else outcome.arrive(port, departed.source)
    })
    return due
  }

  /** Adds a gateway at an external address, with a realm of its own behind it. */
  addGateway(options: GatewayOptions) {
    const outside = options.outside ?? this.internet
    const inside = new Realm()
    const nat = new Nat({ ...options, inside, outside, now: this.timeline.now })
    inside.nat = nat
    outside.gateways.push(nat)
    return nat
  }
}

/** Moves a packet out of the realms that its destination is not in; undefined when a gateway drops it. */
const depart = (realm: Realm, source: Place, to: Place): Departed | undefined => {
  const { nat } = realm
  if (nat === undefined || realm.has(to) || realm.gateways.some((each) => each.leadsTo(to))) return { realm, source }
  if (nat.leadsTo(to) && !nat.hairpinning) return undefined
  const outer = nat.outbound(source, to)
  return outer && depart(nat.outside, outer, to)
}

/** Moves a packet into the realm of its destination; undefined when a gateway drops it. */
const arrival = (realm: Realm, to: Place, source: Place): Arrived | undefined => {
  const nat = realm.gateways.find((each) => each.leadsTo(to))
  if (nat === undefined) return { realm, place: to }
  const inner = nat.inbound(to.address.port, source)
  return inner && arrival(nat.inside, inner, source)
}
