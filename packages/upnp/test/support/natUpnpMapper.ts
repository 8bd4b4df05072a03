/**
 * Mappers whose gateways are on loopback and need no search, for the tests of `NatUpnp`.
 */
import type { PortMapper } from "@qp2p/core/PortMapper"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as mapper from "../../src/internal/upnp/mapper.ts"
import type { InternalOptions } from "../../src/internal/upnp/internalOptions.ts"
import type { Discover } from "../../src/internal/upnp/search.ts"
import type { Found } from "../../src/internal/upnp/ssdp.ts"
import type * as FakeGateway from "./fakeUpnpGateway.ts"

export const address = NetAddress.inetAddressFromStringUnsafe
export const internal = address("192.168.1.20:4433")
export const lease = Duration.seconds(120)

type MapOptions = Parameters<PortMapper["Service"]["map"]>[0]

interface TestOptions extends Partial<MapOptions> {
  readonly mapper?: InternalOptions
}

/** A search that is over at once, in which these gateways answer. */
export const foundAt = (...locations: ReadonlyArray<string>): Stream.Stream<Found> =>
  Stream.fromIterable(locations.map((location) => ({ location, localAddress: "192.168.1.21" })))

/** Maps through the gateway at `location`, without a search. */
export const mapAt = (location: string, options?: TestOptions) => mapThrough(() => foundAt(location), options)

export const mapThrough = (discover: Discover, options?: TestOptions) =>
  Effect.suspend(() => {
    const { map } = mapper.make({ ...options?.mapper, discover })
    return map({ internal, lease, ...options })
  })

/** The arguments of an action, in the order in which they were sent. */
export const argumentsOf = (request: FakeGateway.Request): ReadonlyArray<readonly [string, string]> =>
  [...request.body.matchAll(/<(New\w+)>([^<]*)<\/\1>/g)].map((match) => [match[1]!, match[2]!])

export const argument = (request: FakeGateway.Request, name: string): string | undefined =>
  argumentsOf(request).find((pair) => pair[0] === name)?.[1]

export const names = (gateway: FakeGateway.FakeGateway) => gateway.requests.map((request) => request.name)

/** The external port in each request of a kind. */
export const portsAsked = (gateway: FakeGateway.FakeGateway, name = "AddPortMapping") =>
  gateway.requests.filter((request) => request.name === name).map((request) => argument(request, "NewExternalPort"))

export const failure = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flip(Effect.scoped(effect as Effect.Effect<A, E, R | Scope.Scope>))

export const protocolCode = (error: { readonly _tag: string }): number | undefined =>
  "code" in error ? Option.getOrUndefined(error.code as Option.Option<number>) : undefined

/** Lets fibers that have just been woken by real input go on to their next timer. */
export const settle = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve))).pipe(
  Effect.repeat({ times: 20 })
)
