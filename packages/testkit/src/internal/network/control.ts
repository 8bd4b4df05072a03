/** The operations of a test on a wire. */
import {
  type Fields,
  flag,
  type InvalidArgument,
  ofRecord,
  ofValue,
  oneOf,
  optional,
  positiveDuration,
  show,
  unless,
  untyped
} from "@qp2p/core/InvalidArgument"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import type * as Gateway from "../../Gateway.ts"
import * as Latency from "../../Latency.ts"
import { anything, atLeast, gateway, wrongDirection } from "../checks.ts"
import type { Direction, NetworkControl, Place, Places } from "../../NetworkControl.ts"
import type { Nat } from "./nat.ts"
import { nameFrom } from "./place.ts"
import type { Port } from "./realm.ts"
import type { Wire } from "./wire.ts"

const defaultKind = "PortRestricted"
const defaultLifetime = Duration.minutes(2)

/** The names of places in the tables of rules. */
export const namesOf = (places: Places): Effect.Effect<ReadonlyArray<string>, NetAddress.NetAddressError> =>
  Effect.forEach(isMany(places) ? places : [places], (place) => Effect.fromResult(nameFrom(place)))

const isMany = (places: Places): places is ReadonlyArray<Place> => Array.isArray(places)

/** Parses an IP address, unless it is one. Fails for text that is not an address. */
export const ipFrom = (
  input: string | NetAddress.IpAddress
): Effect.Effect<NetAddress.IpAddress, NetAddress.NetAddressError> =>
  NetAddress.isIpAddress(input)
    ? Effect.succeed(input)
    : typeof input === "string"
      ? Effect.fromResult(NetAddress.ipFromString(input))
      : Effect.fail(new NetAddress.NetAddressError({ message: `expected an IP address, got ${show(input)}`, input }))

/** Passes the names of a direction to `set`. */
export const along = (
  direction: Direction | undefined,
  set: (from?: string, to?: string) => void
): Effect.Effect<void, NetAddress.NetAddressError> =>
  Effect.gen(function* () {
    const wrong = wrongDirection(direction)
    if (wrong !== undefined) return yield* untyped(wrong)
    const [from, to] = [direction?.from, direction?.to]
    const [source] = from === undefined ? [] : yield* namesOf(from)
    const [target] = to === undefined ? [] : yield* namesOf(to)
    set(source, target)
  })

/** Makes the operations. `resend` is called when packets may get through again that did not before. */
export const make = <P extends Port>(wire: Wire<P>, resend: () => void): NetworkControl => {
  const { conditions } = wire

  const between = (from: Places, to: Places, act: (from: string, to: string) => void) =>
    Effect.gen(function* () {
      const [sources, targets] = [yield* namesOf(from), yield* namesOf(to)]
      for (const source of sources) for (const target of targets) act(source, target)
    })

  return {
    setLatency: (latency, direction) => {
      const sample: unknown = Latency.sampler(latency, wire.random)
      if (!isSampler(sample)) return untyped(sample as InvalidArgument)
      return along(direction, (from, to) => conditions.setLatency(sample, from, to))
    },
    setBandwidth: (bytesPerSecond, direction) =>
      unless(
        () => ofValue("bytesPerSecond", bytesPerSecond, atLeast(0)),
        () => along(direction, (from, to) => conditions.setRate(bytesPerSecond / 1_000, from, to))
      ),
    blackhole: (places) =>
      Effect.map(namesOf(places), (names) => {
        for (const name of names) conditions.blackholes.add(name)
      }),
    partition: (a, b) =>
      between(a, b, (from, to) => {
        conditions.cut(from, to)
        conditions.cut(to, from)
      }),
    partitionOneWay: (from, to) => between(from, to, (source, target) => conditions.cut(source, target)),
    mend: (a, b) =>
      Effect.andThen(
        between(a, b, (from, to) => {
          conditions.mend(from, to)
          conditions.mend(to, from)
        }),
        Effect.sync(resend)
      ),
    heal: Effect.sync(() => {
      conditions.heal()
      resend()
    }),
    addAddress: (host, address) =>
      Effect.map(Effect.all([ipFrom(host), ipFrom(address)]), ([own, further]) =>
        wire.internet.addAddress(own, further)
      ),
    gateway: Effect.fnUntraced(function* (options: Gateway.Options) {
      const wrong = ofRecord("options", options, gatewayFields)
      if (wrong !== undefined) return yield* untyped(wrong)
      const nat = wire.addGateway({
        address: yield* ipFrom(options.address),
        kind: options.kind ?? defaultKind,
        hairpinning: options.hairpinning ?? true,
        lifetime: Duration.toMillis(Duration.fromInputUnsafe(options.mappingLifetime ?? defaultLifetime)),
        outside: options.behind?.nat.inside
      })
      return gatewayOf(nat)
    })
  }
}

const isSampler = (made: unknown): made is () => number => typeof made === "function"

const gatewayFields: Fields = {
  address: anything,
  kind: optional(oneOf("FullCone", "AddressRestricted", "PortRestricted", "Symmetric")),
  behind: optional(gateway),
  mappingLifetime: optional(positiveDuration),
  hairpinning: optional(flag)
}

const gatewayOf = (nat: Nat): Gateway.Gateway => ({
  get address() {
    return nat.address
  },
  kind: nat.kind,
  restart: (address) =>
    Effect.map(address === undefined ? Effect.succeed(nat.address) : ipFrom(address), (found) => nat.restart(found)),
  nat
})
