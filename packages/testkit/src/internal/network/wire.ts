/** The way of a packet from one socket to another, through gateways and whatever the network is like. */
import { Conditions } from "./conditions.ts"
import { Nat } from "./nat.ts"
import type { Place } from "./place.ts"
import { type Port, Realm } from "./realm.ts"
import type { Timeline } from "./timeline.ts"

/** What becomes of a packet: one of the two. */
export interface Fate<P> {
  /** It has come to `port`, or to where nobody is, and seems to come from `source`. */
  readonly arrive: (port: P | undefined, source: Place) => void
  /** Something on the way did not let it through. It may be sent again. */
  readonly lose: () => void
}

/** A packet that has left its own network: where it is now, and where it seems to come from. */
interface Departed {
  readonly realm: Realm
  readonly source: Place
}

/** The network that a packet has come to in the end, and its target's place there. */
interface Arrived {
  readonly realm: Realm
  readonly place: Place
}

export interface GatewayOptions extends Pick<Nat, "kind" | "hairpinning" | "address"> {
  /** Milliseconds. */
  readonly lifetime: number
  /** Where it is itself; the internet by default. */
  readonly outside?: Realm | undefined
}

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
   * Sends a packet of `size` bytes. It arrives no sooner than `notBefore`. Answers the time at which it does, or would.
   */
  transmit(from: Port, to: Place, size: number, notBefore: number, fate: Fate<P>): number {
    const departed = depart(from.realm, from.place, to)
    if (departed === undefined || this.conditions.isSevered([from.home, departed.source], [to])) {
      fate.lose()
      return notBefore
    }
    const { timeline } = this
    const now = timeline.now()
    const transit = this.conditions.transit(from.home, to, size, now)
    if (transit === Number.POSITIVE_INFINITY) {
      fate.lose()
      return notBefore
    }
    const due = Math.max(now + transit, notBefore)
    timeline.schedule(due - now, () => {
      const arrived = arrival(departed.realm, to, departed.source)
      if (arrived === undefined) return fate.lose()
      const port = arrived.realm.portAt(arrived.place) as P | undefined
      const severed = this.conditions.isSevered([from.home, departed.source], [to, port?.home ?? arrived.place])
      if (severed) fate.lose()
      else fate.arrive(port, departed.source)
    })
    return due
  }

  /** A gateway at an address outside, with a network of its own behind it. */
  addGateway(options: GatewayOptions) {
    const outside = options.outside ?? this.internet
    const inside = new Realm()
    const nat = new Nat({ ...options, inside, outside, now: this.timeline.now })
    inside.nat = nat
    outside.gateways.push(nat)
    return nat
  }
}

/** Takes a packet out of the networks that its target is not in; nothing when a gateway does not let it out. */
const depart = (realm: Realm, source: Place, to: Place): Departed | undefined => {
  const { nat } = realm
  if (nat === undefined || realm.has(to) || realm.gateways.some((each) => each.leadsTo(to))) return { realm, source }
  if (nat.leadsTo(to) && !nat.hairpinning) return undefined
  const outer = nat.outbound(source, to)
  return outer && depart(nat.outside, outer, to)
}

/** Takes a packet into the network that its target is in; nothing when a gateway does not let it in. */
const arrival = (realm: Realm, to: Place, source: Place): Arrived | undefined => {
  const nat = realm.gateways.find((each) => each.leadsTo(to))
  if (nat === undefined) return { realm, place: to }
  const inner = nat.inbound(to.address.port, source)
  return inner && arrival(nat.inside, inner, source)
}
