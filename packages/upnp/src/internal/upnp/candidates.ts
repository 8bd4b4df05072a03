/** The devices that answered the search, and which of them maps the port. */
import { GatewayNotFound, NoneMapped, type PortMapperError } from "@qp2p/core/PortMapperError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as gateway from "./gateway.ts"
import type { WanService } from "./gateway.ts"
import type { Found } from "./ssdp.ts"

/** The errors of a single gateway. */
export type GatewayError = Exclude<PortMapperError, NoneMapped>

/** A device answered the search and is not a gateway, or not a usable one. */
export class NoGateway extends Schema.TaggedError<NoGateway>("@qp2p/upnp/internal/candidates/NoGateway")(
  "NoGateway",
  {}
) {}

/** The time for a device that did not identify itself as a gateway: there may be many of them, and some sleep. */
const unidentifiedTimeout = Duration.seconds(1)

/**
 * Reads the services of a device that answered the search. A device that never claimed to be a gateway fails with
 * `NoGateway`, which is not reported.
 */
export const describe = (
  found: Found,
  timeout: Duration.Input
): Effect.Effect<ReadonlyArray<WanService>, GatewayError | NoGateway> => {
  const described = gateway.describe(found, timeout)
  if (!found.isUnidentified) return described
  return described.pipe(
    Effect.timeout(unidentifiedTimeout),
    Effect.mapError(() => new NoGateway())
  )
}

/** The gateway's host and port, for error messages. */
export const nameOf = (location: string): string =>
  URL.canParse(location) ? new URL(location).host : location.slice(0, 200)

/** Returns the host in the URL of a device description; undefined for text that is not a URL. */
export const hostOf = (location: string): string | undefined =>
  URL.canParse(location) ? new URL(location).hostname : undefined

/**
 * Asks the gateways in the order in which they answer the search until one succeeds. Fails with the error of the gateway,
 * with `NoneMapped` when several failed, and with `GatewayNotFound` when none answered.
 */
export const firstOf = <A, R>(
  found: Stream.Stream<Found>,
  ask: (found: Found) => Effect.Effect<A, GatewayError | NoGateway, R>
): Effect.Effect<A, PortMapperError, R> =>
  Effect.suspend(() => {
    const attempts: Array<{ readonly by: string; readonly error: GatewayError }> = []
    return found.pipe(
      Stream.mapEffect((each) =>
        Effect.map(Effect.result(ask(each)), (result) => {
          if (Result.isFailure(result) && result.failure._tag !== "NoGateway") {
            attempts.push({ by: nameOf(each.location), error: result.failure })
          }
          return result
        })
      ),
      Stream.filter(Result.isSuccess),
      Stream.runHead,
      Effect.flatMap(Effect.fromOption),
      Effect.mapBoth({ onSuccess: (result) => result.success, onFailure: () => failureOf(attempts) })
    )
  })

const failureOf = (attempts: NoneMapped["attempts"]): PortMapperError => {
  const [first, ...others] = attempts
  if (first === undefined) return new GatewayNotFound()
  return others.length === 0 ? first.error : new NoneMapped({ attempts })
}
