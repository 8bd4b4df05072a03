/** Asks the home router for its external address in every protocol. */
import { GatewayNotFound, type PortMapperError, PortMapperTimedOut } from "@qp2p/core/PortMapperError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { homeRouter, natPmp, natUpnp, refusedOptions } from "./checks.ts"
import * as access from "./natpmp/access.ts"
import type { Conversation } from "./natpmp/client.ts"
import { fromRefusal, type Refusal } from "./natpmp/failures.ts"
import type { InternalOptions as NatPmpOptions } from "./natpmp/options.ts"
import * as requests from "./natpmp/requests.ts"
import { reachOf } from "./reach.ts"
import type { Diagnosis, ProtocolReport } from "./report.ts"
import { Builder } from "./upnp/actions.ts"
import * as candidates from "./upnp/candidates.ts"
import { withClient } from "./upnp/client.ts"
import type { InternalOptions as UpnpOptions } from "./upnp/internalOptions.ts"
import * as search from "./upnp/search.ts"
import * as services from "./upnp/services.ts"

/** The options of both families of protocols, with those that only tests set. */
export interface InternalOptions {
  readonly natPmp?: NatPmpOptions | undefined
  readonly natUpnp?: UpnpOptions | undefined
}

/** The time for UPnP as a whole: a gateway answers the search within a second, and the rest is for the requests. */
const upnpTimeout = Duration.seconds(4)
const searchTimeout = Duration.seconds(2)
const requestTimeout = Duration.millis(1500)

/** The time to read the routes, and then for each protocol over UDP: together no longer than UPnP. */
const locateTimeout = Duration.seconds(1)
const udpTimeout = Duration.seconds(3)

/**
 * Asks over PCP or NAT-PMP and over UPnP at once, and reports each protocol's result. Never fails; invalid options become
 * results.
 */
export const diagnose = (options: InternalOptions = {}): Effect.Effect<Diagnosis> =>
  Effect.gen(function* () {
    const refused = refusal(options)
    if (refused !== undefined) return nothingAsked(refused)
    const [overUdp, upnp] = yield* Effect.all([askUdp(options.natPmp ?? {}), askUpnp(options.natUpnp ?? {})], {
      concurrency: "unbounded"
    })
    return { gateway: overUdp.gateway, protocols: [...overUdp.protocols, upnp] }
  })

const refusal = (options: InternalOptions): PortMapperError | undefined =>
  refusedOptions(options, homeRouter) ??
  refusedOptions(options.natPmp, natPmp) ??
  refusedOptions(options.natUpnp, natUpnp)

const nothingAsked = (refused: PortMapperError): Diagnosis => ({
  gateway: Option.none(),
  protocols: (["PCP", "NAT-PMP", "UPnP"] as const).map((protocol) =>
    reportOf(protocol, undefined, Result.fail(refused))
  )
})

const reportOf = (
  protocol: ProtocolReport["protocol"],
  by: string | undefined,
  outcome: Result.Result<NetAddress.Ipv4Address, PortMapperError>,
  version?: string
): ProtocolReport => ({
  protocol,
  by: Option.fromUndefinedOr(by),
  version: Option.fromUndefinedOr(version),
  outcome: Result.map(outcome, (external) => ({ external, reach: reachOf(external) }))
})

const askUdp = Effect.fnUntraced(function* (
  options: NatPmpOptions
): Effect.fn.Return<{ readonly gateway: Diagnosis["gateway"]; readonly protocols: ReadonlyArray<ProtocolReport> }> {
  const located = yield* access
    .locate(options)
    .pipe(
      Effect.timeoutOrElse({ duration: locateTimeout, orElse: () => Effect.fail(new GatewayNotFound()) }),
      Effect.result
    )
  if (Result.isFailure(located)) {
    const outcome = Result.fail(located.failure)
    return {
      gateway: Option.none(),
      protocols: [reportOf("PCP", undefined, outcome), reportOf("NAT-PMP", undefined, outcome)]
    }
  }
  const gateway = located.success
  const name = NetAddress.formatInet(gateway)
  const ask = (
    protocol: "PCP" | "NAT-PMP",
    use: (conversation: Conversation) => Effect.Effect<NetAddress.Ipv4Address, PortMapperError | Refusal>
  ) =>
    access
      .converse(options)(gateway, NetAddress.ipv4Unspecified, udpTimeout, use)
      .pipe(
        Effect.mapError((error) => (error._tag === "Refusal" ? fromRefusal(name, error, 0) : error)),
        Effect.result,
        Effect.map((outcome) => reportOf(protocol, answered(outcome) ? name : undefined, outcome))
      )
  const protocols = yield* Effect.all([ask("PCP", requests.trial), ask("NAT-PMP", requests.externalAddress)], {
    concurrency: "unbounded"
  })
  return { gateway: Option.some(gateway.address), protocols }
})

/** Whether the gateway sent any answer, a refusal included. */
const answered = (outcome: Result.Result<unknown, PortMapperError>): boolean =>
  Result.isSuccess(outcome) ||
  (outcome.failure._tag !== "PortMapperTimedOut" && outcome.failure._tag !== "GatewayUnreachable")

const askUpnp = (options: UpnpOptions): Effect.Effect<ProtocolReport> =>
  Effect.suspend(() => {
    let by: string | undefined
    let version: string | undefined
    const discover = options.discover ?? search.search(options.searchTimeout ?? searchTimeout)
    return withClient((client) =>
      candidates.firstOf(
        discover(client),
        Effect.fnUntraced(function* (found) {
          if (!found.isUnidentified) {
            by = candidates.nameOf(found.location)
            version = undefined
          }
          const all = yield* candidates.describe(found, options.requestTimeout ?? requestTimeout)
          by = candidates.nameOf(found.location)
          version = all[0]?.[0].service
          return yield* services.firstOf(all, new Builder(client).externalAddress(), (control, address) => {
            version = control.service
            return Effect.succeed(address)
          })
        })
      )
    ).pipe(
      Effect.timeoutOrElse({
        duration: upnpTimeout,
        orElse: () => Effect.fail(by === undefined ? new GatewayNotFound() : new PortMapperTimedOut({ gateway: by }))
      }),
      Effect.result,
      Effect.map((outcome) => reportOf("UPnP", by, outcome, version))
    )
  })
