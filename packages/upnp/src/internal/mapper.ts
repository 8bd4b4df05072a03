import type * as PortMapper from "@qp2p/core/PortMapper"
import {
  MappingConflict,
  MappingNotAuthorized,
  type PortMapperError,
  PortMapperUnsupported
} from "@qp2p/core/PortMapperError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Options } from "../NatUpnp.ts"
import type { Client } from "nat-upnp"
import * as natUpnp from "./client.ts"
import * as gateway from "./gateway.ts"
import * as http from "./http.ts"
import * as soap from "./soap.ts"

export interface InternalOptions extends Options {
  readonly discover?: natUpnp.Discover | undefined
}

const defaultSearchTimeout = Duration.seconds(3)
const defaultRequestTimeout = Duration.millis(1500)
const removeTimeout = Duration.seconds(3)

/** What a lease may last, in seconds: 0 would be for ever, and WANIPConnection 2 grants no more than a week. */
const leaseRange = { minimum: 1, maximum: 604_800 }

/** Half the lease is left when a renewal is due, so that a router that restarts or is busy has time to come back. */
export const renewalSchedule = (lease: Duration.Duration) => Schedule.spaced(Duration.times(lease, 1 / 2))

/** A renewal that failed is tried again while the lease still runs, and after it. */
export const retrySchedule = (lease: Duration.Duration) => Schedule.spaced(Duration.times(lease, 1 / 8))

const faultCodes = { notAuthorized: 606, conflict: 718, onlyPermanentLeases: 725 }

const decodeAddress = Schema.decodeUnknownOption(Schema.Struct({ NewExternalIPAddress: Schema.String }))

export const make = Effect.fnUntraced(function* (
  options: InternalOptions = {}
): Effect.fn.Return<PortMapper.PortMapper["Service"], never, HttpClient.HttpClient> {
  const httpClient = yield* HttpClient.HttpClient
  const requestTimeout = options.requestTimeout ?? defaultRequestTimeout
  const discover = options.discover ?? natUpnp.search(options.searchTimeout ?? defaultSearchTimeout)
  const description = options.description ?? "qp2p"

  const map = Effect.fn("PortMapper.map")(
    function* (
      request: PortMapper.MapOptions
    ): Effect.fn.Return<PortMapper.Mapping, PortMapperError, HttpClient.HttpClient | Scope.Scope> {
      const wanted = yield* validate(request)
      const { actions, internal, location } = yield* natUpnp.withClient((client) =>
        Effect.flatMap(discover(client), (found) => plan(client, found, wanted, description))
      )
      const control = yield* gateway.describe(location, requestTimeout)
      const external = yield* externalAddress(control, actions.externalAddress, wanted.externalPort)
      yield* keepMapping(control, actions, wanted)
      return { internal, external }
    },
    Effect.provideService(HttpClient.HttpClient, httpClient)
  )
  return { map }
})

interface Wanted {
  readonly internal: NetAddress.InetAddressV4
  readonly externalPort: number
  readonly lease: Duration.Duration
}

const validate = Effect.fnUntraced(function* (
  request: PortMapper.MapOptions
): Effect.fn.Return<Wanted, PortMapperUnsupported> {
  const { internal, external: externalPort = internal.port } = request
  if (!NetAddress.isInetAddressV4(internal)) {
    return yield* new PortMapperUnsupported({ reason: "UPnP maps IPv4 addresses only" })
  }
  // To a gateway port 0 is every port.
  if (![internal.port, externalPort].every((port) => Number.isInteger(port) && port >= 1 && port <= 65_535)) {
    return yield* new PortMapperUnsupported({ reason: `cannot map port ${internal.port} to ${externalPort}` })
  }
  const seconds = Math.ceil(Duration.toSeconds(request.lease))
  const lease = Duration.seconds(Math.min(Math.max(seconds, leaseRange.minimum), leaseRange.maximum))
  return { internal, externalPort, lease }
})

/** What to say to the gateway that was found. */
const plan = Effect.fnUntraced(function* (client: Client, found: natUpnp.Found, wanted: Wanted, description: string) {
  const internal = yield* withoutWildcard(wanted.internal, found)
  const actions = natUpnp.actions(client, {
    internal: { host: NetAddress.formatIp(internal.address), port: internal.port },
    externalPort: wanted.externalPort,
    lease: Duration.toSeconds(wanted.lease),
    description
  })
  return { actions, internal, location: found.location }
})

/** A router cannot send to `0.0.0.0`: it gets the address of ours that it can reach. */
const withoutWildcard = (
  internal: NetAddress.InetAddressV4,
  found: natUpnp.Found
): Effect.Effect<NetAddress.InetAddressV4, PortMapperUnsupported> => {
  if (!NetAddress.isUnspecified(internal.address)) return Effect.succeed(internal)
  return NetAddress.ipv4FromString(found.localAddress).pipe(
    Result.flatMap((address) => NetAddress.inetAddressV4(address, internal.port)),
    Effect.fromResult,
    Effect.mapError(() => new PortMapperUnsupported({ reason: `the gateway was found from ${found.localAddress}` }))
  )
}

const externalAddress = Effect.fnUntraced(function* (
  control: soap.Control,
  action: soap.Action,
  port: number
): Effect.fn.Return<NetAddress.InetAddressV4, PortMapperError, HttpClient.HttpClient> {
  const answer = yield* soap.call(control, action).pipe(mapFault(control, port))
  const text = Option.getOrElse(
    Option.map(decodeAddress(answer), (_) => _.NewExternalIPAddress),
    () => ""
  )
  const external = NetAddress.ipv4FromString(text).pipe(
    Result.flatMap((address) => NetAddress.inetAddressV4(address, port)),
    Result.getOrUndefined
  )
  if (external === undefined || NetAddress.isUnspecified(external.address)) {
    return yield* http.protocolError(control.gateway, `its external address is ${JSON.stringify(text.slice(0, 64))}`)
  }
  return external
})

const mapFault =
  (control: soap.Control, externalPort: number) =>
  <A, R>(self: Effect.Effect<A, soap.CallError, R>): Effect.Effect<A, PortMapperError, R> =>
    Effect.mapError(self, (error) => {
      if (error._tag !== "Fault") return error
      switch (error.code) {
        case faultCodes.conflict:
          return new MappingConflict({ gateway: control.gateway, externalPort })
        case faultCodes.notAuthorized:
          return new MappingNotAuthorized({ gateway: control.gateway })
        default:
          return http.protocolError(control.gateway, error.description || `fault ${error.code}`, error.code)
      }
    })

/** Adds the mapping, renews it while the scope lives and removes it when the scope closes. */
const keepMapping = Effect.fnUntraced(function* (
  control: soap.Control,
  actions: natUpnp.Actions,
  { externalPort, lease }: Wanted
): Effect.fn.Return<void, PortMapperError, HttpClient.HttpClient | Scope.Scope> {
  let granted = false
  // True from before the add is sent: an add that was interrupted or timed out may have reached the gateway.
  let ours = true
  let action = actions.add

  const add = Effect.suspend(() => soap.call(control, action)).pipe(
    Effect.catchTag("Fault", (fault) => {
      if (fault.code !== faultCodes.onlyPermanentLeases || action === actions.addForEver) return Effect.fail(fault)
      action = actions.addForEver
      return soap.call(control, action)
    }),
    Effect.tap(() => Effect.sync(() => void (granted = ours = true))),
    // After a clear refusal the port may be another host's, and removing that mapping would cut it off. A renewal that
    // is refused for another reason than a conflict leaves the mapping that was granted before.
    Effect.tapError((error) =>
      Effect.sync(() => {
        if (error._tag === "Fault" && (!granted || error.code === faultCodes.conflict)) ours = false
      })
    ),
    mapFault(control, externalPort)
  )

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => (ours ? soap.call(control, actions.remove) : Effect.void)).pipe(
      Effect.timeout(removeTimeout),
      Effect.catch((error) => Effect.logWarning(`port ${externalPort} was not unmapped`, error)),
      Effect.asVoid
    )
  )
  yield* add
  yield* add.pipe(
    Effect.tapError((error) => Effect.logWarning(`the mapping of port ${externalPort} was not renewed`, error)),
    Effect.retry(retrySchedule(lease)),
    Effect.schedule(renewalSchedule(lease)),
    Effect.forkScoped
  )
})
