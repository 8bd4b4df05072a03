/**
 * Network address translation: what a gateway does to the addresses of packets, in the terms of RFC 4787 and, for the
 * four kinds, of RFC 3489.
 *
 * @since 0.1.0
 */
import * as NetAddress from "effect/net/NetAddress"
import { type Place, placeAt } from "./place.ts"
import type { Realm } from "./realm.ts"

export type NatKind = "FullCone" | "AddressRestricted" | "PortRestricted" | "Symmetric"

/** Ports that a gateway gives out when the one inside is taken or not to be kept. */
const firstPort = 1024
const lastPort = 65535

/** A port outside that stands for a socket inside. */
interface Binding {
  readonly port: number
  readonly inner: Place
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
  /** By socket inside or, when the gateway is symmetric, by socket inside and outside. */
  private readonly bindings = new Map<string, Binding>()
  private readonly ports = new Map<number, Binding>()
  private readonly forwards = new Map<number, Forward>()
  private readonly forwardsInside = new Map<string, Forward>()
  private nextPort = firstPort

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

  /** Whether packets to this place come here first. */
  leadsTo(place: Place) {
    return place.host === NetAddress.formatIp(this.address)
  }

  /** Where a packet from `inner` to `to` comes from, seen from outside; nothing when every port is taken. */
  outbound(inner: Place, to: Place): Place | undefined {
    const symmetric = this.kind === "Symmetric"
    // Answers to what came through a forwarded port leave through it; so does all else where the kind allows it.
    const forward = symmetric ? undefined : this.forwardOf(inner)
    const name = symmetric ? `${inner.key}>${to.key}` : inner.key
    const binding = this.live(this.bindings.get(name)) ?? this.bind(name, inner, forward?.port)
    if (binding === undefined) return undefined
    binding.expires = this.now() + this.lifetime
    this.permit(binding, to)
    return placeAt(this.address, binding.port)
  }

  /** Who inside gets a packet from `from` that has come to `port`; nobody, when there is no way in. */
  inbound(port: number, from: Place): Place | undefined {
    const forward = this.liveForward(port)
    if (forward !== undefined) {
      if (this.kind === "Symmetric") this.answerThrough(forward, from)
      return forward.inner
    }
    const binding = this.live(this.ports.get(port))
    if (binding === undefined) return undefined
    if (this.kind === "FullCone") return binding.inner
    return (binding.permitted.get(this.filterOf(from)) ?? 0) > this.now() ? binding.inner : undefined
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
    for (const table of [this.bindings, this.ports, this.forwards, this.forwardsInside]) table.clear()
  }

  private bind(name: string, inner: Place, forwarded: number | undefined): Binding | undefined {
    const wanted = forwarded ?? (this.kind === "Symmetric" ? this.nextPort : inner.address.port)
    const port = forwarded ?? this.freePort(wanted, inner)
    if (port === undefined) return undefined
    const binding: Binding = { port, inner, permitted: new Map(), expires: 0 }
    this.bindings.set(name, binding)
    this.ports.set(port, binding)
    return binding
  }

  /** What comes through a forwarded port is answered from it, symmetric or not. */
  private answerThrough(forward: Forward, from: Place) {
    const name = `${forward.inner.key}>${from.key}`
    const binding = this.live(this.bindings.get(name))
    if (binding?.port !== forward.port) this.bind(name, forward.inner, forward.port)
    this.bindings.get(name)!.expires = this.now() + this.lifetime
  }

  private permit(binding: Binding, to: Place) {
    const time = this.now()
    for (const [who, until] of binding.permitted) {
      if (until > time) break
      binding.permitted.delete(who)
    }
    const who = this.filterOf(to)
    // The latest last: whoever has expired is found at the front.
    binding.permitted.delete(who)
    binding.permitted.set(who, binding.expires)
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

  /** `wanted` or the next after it that nobody else inside uses. What has expired is swept on the way. */
  private freePort(wanted: number, inner: Place): number | undefined {
    if (this.ports.size > 1_000) this.sweep()
    for (let tries = 0; tries <= lastPort - firstPort; tries++) {
      const port = wanted + tries <= lastPort ? wanted + tries : wanted + tries - lastPort + firstPort - 1
      const binding = this.live(this.ports.get(port))
      const forward = this.liveForward(port)
      if (
        (binding === undefined || (this.kind !== "Symmetric" && binding.inner.key === inner.key)) &&
        (forward === undefined || forward.inner.key === inner.key)
      ) {
        this.nextPort = port === lastPort ? firstPort : port + 1
        return port
      }
    }
    return undefined
  }

  private sweep() {
    for (const [name, binding] of this.bindings) if (this.live(binding) === undefined) this.bindings.delete(name)
    for (const [port, binding] of this.ports) if (this.live(binding) === undefined) this.ports.delete(port)
  }
}
