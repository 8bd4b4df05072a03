/**
 * Network address translation: what a gateway does to the addresses of packets, in the terms of RFC 4787 and, for the
 * four kinds, of RFC 3489.
 */
import * as NetAddress from "effect/net/NetAddress"
import { type Place, placeAt } from "./place.ts"
import type { Realm } from "./realm.ts"

export type NatKind = "FullCone" | "AddressRestricted" | "PortRestricted" | "Symmetric"

/** Ports that a gateway gives out when the one inside is taken or not to be kept. */
const firstPort = 1024
const lastPort = 65535

/** Bindings, and peers of one binding. More than this is no home's. */
const maxBindings = 65_536
const maxPermitted = 65_536

/** A port outside that stands for a socket inside. */
interface Binding {
  readonly port: number
  readonly inner: Place
  /** The only socket outside that it is for; without it, it is for all that the socket inside sends to. */
  readonly peer: string | undefined
  /** Who has been sent to, by host or by socket as the kind filters, and until when they may answer. */
  readonly permitted: Map<string, number>
  expires: number
}

/** A port that was asked for, open to everybody until its lease ends. */
export interface Forward {
  readonly port: number
  readonly inner: Place
  expires: number
}

export class Nat {
  readonly kind: NatKind
  readonly hairpinning: boolean
  readonly inside: Realm
  readonly outside: Realm
  address: NetAddress.IpAddress
  private readonly lifetime: number
  private readonly now: () => number
  /** Those for all peers of a socket, by the socket. */
  private readonly bindings = new Map<string, Binding>()
  /** Those for one peer, by the sockets inside and outside: all of them if the gateway is symmetric. */
  private readonly flows = new Map<string, Binding>()
  private readonly ports = new Map<number, Set<Binding>>()
  private readonly forwards = new Map<number, Forward>()
  private readonly forwardsInside = new Map<string, Forward>()
  private nextPort = firstPort
  /** Bindings made since the last sweep, and how many make the next one due. */
  private added = 0
  private sweepAt = 1_000

  constructor(options: {
    readonly kind: NatKind
    readonly hairpinning: boolean
    /** Milliseconds that a binding lives after the last packet out. */
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

  /** Entries in its tables, those included that have expired and were not swept yet. */
  get size() {
    let size = this.bindings.size + this.flows.size + this.forwards.size
    for (const { permitted } of this.bindings.values()) size += permitted.size
    for (const sharing of this.ports.values()) size += sharing.size
    return size
  }

  /** Whether packets to this place come here first. */
  leadsTo(place: Place) {
    return place.host === NetAddress.formatIp(this.address)
  }

  /** Where a packet from `inner` to `to` comes from, seen from outside; nothing when every port is taken. */
  outbound(inner: Place, to: Place): Place | undefined {
    const binding = this.flowOf(inner, to) ?? this.live(this.bindings.get(inner.key)) ?? this.bind(inner, to)
    if (binding === undefined) return undefined
    binding.expires = this.now() + this.lifetime
    if (binding.peer === undefined) this.permit(binding, to)
    return placeAt(this.address, binding.port)
  }

  /** Who inside gets a packet from `from` that has come to `port`; nobody, when there is no way in. */
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

  /** Forwards `wanted`, or the next port that is free, until `lease` milliseconds from now. */
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

  /** Forgets everything, as after a loss of power; perhaps the provider gives it another address. */
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
   * What comes through a forwarded port is answered from it, also where the socket has another port open. A peer that
   * knows it there as well sees it move, and may send to both.
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
    // The latest last: whoever has expired is found at the front.
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

  /** `wanted`, or the next after it that nobody else inside uses. */
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
    // Not with every new one: a table that is full of what lives would be looked through each time.
    this.sweepAt = Math.max(1_000, this.bindings.size + this.flows.size)
  }
}

const flowName = (inner: Place, peer: Place) => `${inner.key}>${peer.key}`

/** Sockets may have ports below the first, and keep them; nobody else is given those. */
const portAfter = (port: number) => (port < firstPort || port >= lastPort ? firstPort : port + 1)
