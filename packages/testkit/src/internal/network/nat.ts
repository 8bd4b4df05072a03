/**
 * Network address translation: how a gateway rewrites and filters packets, in the terms of RFC 4787, and of RFC 3489
 * for the four kinds.
 */
import * as NetAddress from "effect/net/NetAddress"
import { type Place, placeAt } from "./place.ts"
import type { Realm, RealmGateway } from "./realm.ts"

/** The mapping and filtering behaviour of a NAT (RFC 3489, section 5). */
export type NatKind = "FullCone" | "AddressRestricted" | "PortRestricted" | "Symmetric"

/** The first port that a gateway gives out when the internal one is taken or must not be kept. */
const firstPort = 1024
const lastPort = 65535

/** The maximum number of mappings, and of peers of one mapping: more than any home has. */
const maxBindings = 65_536
const maxPermitted = 65_536

/** An external port that stands for an internal socket. */
interface Binding {
  readonly port: number
  readonly inner: Place
  /** The only external socket that the mapping is for; undefined when it is for all peers. */
  readonly peer: string | undefined
  /**
   * The peers that were sent to, by host or by socket as the kind filters, with the time until which they may answer.
   */
  readonly permitted: Map<string, number>
  expires: number
}

/** A forwarded port, open to every host until its lease ends. */
export interface Forward {
  readonly port: number
  readonly inner: Place
  expires: number
}

/** A gateway that maps the ports of a private realm to its public address, and drops mappings after their lifetime. */
export class Nat implements RealmGateway {
  readonly kind: NatKind
  readonly hairpinning: boolean
  readonly inside: Realm
  readonly outside: Realm
  address: NetAddress.IpAddress
  private readonly lifetime: number
  private readonly now: () => number
  /** Mappings for all peers, by the internal socket. */
  private readonly bindings = new Map<string, Binding>()
  /** Mappings for one peer, by the internal and the external socket: all mappings of a symmetric gateway. */
  private readonly flows = new Map<string, Binding>()
  private readonly ports = new Map<number, Set<Binding>>()
  private readonly forwards = new Map<number, Forward>()
  private readonly forwardsInside = new Map<string, Forward>()
  private nextPort = firstPort
  /** Mappings made since the last sweep, and how many make the next one due. */
  private added = 0
  private sweepAt = 1_000

  constructor(options: {
    readonly kind: NatKind
    readonly hairpinning: boolean
    /** How long a mapping lives after the last outbound packet, in milliseconds. */
    readonly lifetime: number
    readonly address: NetAddress.IpAddress
    readonly inside: Realm
    readonly outside: Realm
    readonly now: () => number
  }) {
    this.kind = options.kind
    this.hairpinning = options.hairpinning
    this.lifetime = options.lifetime
    this.address = options.address
    this.inside = options.inside
    this.outside = options.outside
    this.now = options.now
  }

  /** The number of table entries, including expired ones that were not swept yet. */
  get size() {
    let size = this.bindings.size + this.flows.size + this.forwards.size
    for (const { permitted } of this.bindings.values()) size += permitted.size
    for (const sharing of this.ports.values()) size += sharing.size
    return size
  }

  /** Whether packets to this place arrive at this gateway. */
  leadsTo(place: Place) {
    return place.host === NetAddress.formatIp(this.address)
  }

  /** The external place of a packet from `inner` to `to`; undefined when every port is taken. */
  outbound(inner: Place, to: Place): Place | undefined {
    const binding = this.flowOf(inner, to) ?? this.live(this.bindings.get(inner.key)) ?? this.bind(inner, to)
    if (binding === undefined) return undefined
    binding.expires = this.now() + this.lifetime
    if (binding.peer === undefined) this.permit(binding, to)
    return placeAt(this.address, binding.port)
  }

  /** The internal socket for a packet from `from` to `port`; undefined when the packet is filtered. */
  inbound(port: number, from: Place): Place | undefined {
    const forward = this.liveForward(port)
    if (forward !== undefined) {
      this.answerThrough(forward, from)
      return forward.inner
    }
    for (const binding of this.ports.get(port) ?? []) {
      if (this.live(binding) !== undefined && this.passes(binding, from)) return binding.inner
    }
    return undefined
  }

  /** Forwards `wanted`, or the next free port, until `lease` milliseconds from now. */
  forward(inner: Place, wanted: number, lease: number): Forward | undefined {
    const expires = this.now() + lease
    const known = this.forwardOf(inner)
    if (known !== undefined) {
      known.expires = expires
      return known
    }
    const port = this.freePort(wanted, inner)
    if (port === undefined) return undefined
    const forward: Forward = { port, inner, expires }
    this.forwards.set(port, forward)
    this.forwardsInside.set(inner.key, forward)
    return forward
  }

  unforward(inner: Place) {
    const forward = this.forwardsInside.get(inner.key)
    if (forward === undefined) return
    this.forwards.delete(forward.port)
    this.forwardsInside.delete(inner.key)
  }

  get forwarded(): ReadonlyArray<Forward> {
    return Array.from(this.forwards.keys()).flatMap((port) => this.liveForward(port) ?? [])
  }

  /** Drops all state, as after a power failure, and may change the external address. */
  restart(address = this.address) {
    this.address = address
    for (const table of [this.bindings, this.flows, this.ports, this.forwards, this.forwardsInside]) table.clear()
  }

  private flowOf(inner: Place, peer: Place): Binding | undefined {
    return this.flows.size === 0 ? undefined : this.live(this.flows.get(flowName(inner, peer)))
  }

  private bind(inner: Place, to: Place): Binding | undefined {
    if (this.kind !== "Symmetric") {
      const forwarded = this.forwardOf(inner)?.port
      return this.add(inner, forwarded ?? this.freePort(inner.address.port, inner), undefined)
    }
    const port = this.freePort(this.nextPort, inner)
    if (port !== undefined) this.nextPort = portAfter(port)
    return this.add(inner, port, to)
  }

  private add(inner: Place, port: number | undefined, peer: Place | undefined): Binding | undefined {
    if (this.added++ >= this.sweepAt) this.sweep()
    if (port === undefined || this.bindings.size + this.flows.size >= maxBindings) return undefined
    const binding: Binding = { port, inner, peer: peer?.key, permitted: new Map(), expires: 0 }
    const [table, name] = peer === undefined ? [this.bindings, inner.key] : [this.flows, flowName(inner, peer)]
    table.set(name, binding)
    const sharing = this.ports.get(port)
    if (sharing === undefined) this.ports.set(port, new Set([binding]))
    else sharing.add(binding)
    return binding
  }

  /**
   * Makes answers to packets through a forwarded port leave from that port, even where the socket has another mapping.
   * A peer that knows the other port as well sees the socket move, and may send to both.
   */
  private answerThrough({ inner, port }: Forward, from: Place) {
    if (this.kind !== "Symmetric") {
      const own = this.live(this.bindings.get(inner.key))
      if (own === undefined || own.port === port) return
    }
    const known = this.flowOf(inner, from)
    const flow = known?.port === port ? known : this.add(inner, port, from)
    if (flow !== undefined) flow.expires = this.now() + this.lifetime
  }

  private permit({ expires, permitted }: Binding, to: Place) {
    const time = this.now()
    for (const [who, until] of permitted) {
      if (until > time && permitted.size < maxPermitted) break
      permitted.delete(who)
    }
    const who = this.filterOf(to)
    // Latest last, so that expired entries are at the front.
    permitted.delete(who)
    permitted.set(who, expires)
  }

  private passes({ peer, permitted }: Binding, from: Place): boolean {
    if (peer !== undefined) return peer === from.key
    return this.kind === "FullCone" || (permitted.get(this.filterOf(from)) ?? 0) > this.now()
  }

  private filterOf(peer: Place) {
    return this.kind === "AddressRestricted" ? peer.host : peer.key
  }

  private live(binding: Binding | undefined): Binding | undefined {
    return binding !== undefined && binding.expires > this.now() ? binding : undefined
  }

  private liveForward(port: number): Forward | undefined {
    const forward = this.forwards.get(port)
    if (forward === undefined || forward.expires > this.now()) return forward
    this.unforward(forward.inner)
    return undefined
  }

  private forwardOf(inner: Place): Forward | undefined {
    const forward = this.forwardsInside.get(inner.key)
    return forward && this.liveForward(forward.port)
  }

  /** `wanted`, or the next port that no other internal socket uses. */
  private freePort(wanted: number, inner: Place): number | undefined {
    let port = wanted
    for (let tries = firstPort; tries <= lastPort + 1; tries++) {
      if (this.isFree(port, inner)) return port
      port = portAfter(port)
    }
    return undefined
  }

  private isFree(port: number, inner: Place): boolean {
    const forward = this.liveForward(port)
    if (forward !== undefined && forward.inner.key !== inner.key) return false
    for (const binding of this.ports.get(port) ?? []) {
      const own = this.kind !== "Symmetric" && binding.inner.key === inner.key
      if (!own && this.live(binding) !== undefined) return false
    }
    return true
  }

  private sweep() {
    for (const table of [this.bindings, this.flows]) {
      for (const [name, binding] of table) if (this.live(binding) === undefined) table.delete(name)
    }
    for (const [port, sharing] of this.ports) {
      for (const binding of sharing) if (this.live(binding) === undefined) sharing.delete(binding)
      if (sharing.size === 0) this.ports.delete(port)
    }
    this.added = 0
    // Not with each new mapping: a table full of live ones would be searched each time.
    this.sweepAt = Math.max(1_000, this.bindings.size + this.flows.size)
  }
}

const flowName = (inner: Place, peer: Place) => `${inner.key}>${peer.key}`

/** The next port to give out. Sockets may keep ports below `firstPort`, but no other socket gets one. */
const portAfter = (port: number) => (port < firstPort || port >= lastPort ? firstPort : port + 1)
