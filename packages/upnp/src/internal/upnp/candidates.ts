import { GatewayNotFound, NoneMapped, type PortMapperError } from "@qp2p/core/PortMapperError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as gateway from "./gateway.ts"
import type { WanService } from "./gateway.ts"
import type { Found } from "./search.ts"

/** What one gateway can fail with. */
export type GatewayError = Exclude<PortMapperError, NoneMapped>

/** Somebody answered the search, and is no gateway, or none that can be talked to. */
export class NoGateway extends Schema.TaggedError<NoGateway>("@qp2p/upnp/internal/candidates/NoGateway")(
  "NoGateway",
  {}
) {}

/** There may be many of them, and a television that sleeps is not waited for. */
const unsureTimeout = Duration.seconds(1)

/** What one who answered has to offer. One who never said that it is a gateway has failed in nothing. */
export const describe = (
  found: Found,
  timeout: Duration.Input
): Effect.Effect<ReadonlyArray<WanService>, GatewayError | NoGateway> => {
  const described = gateway.describe(found, timeout)
  if (!found.isUnsure) return described
  return described.pipe(
    Effect.timeout(unsureTimeout),
    Effect.mapError(() => new NoGateway())
  )
}

/** The host and port of a gateway, for errors. */
export const nameOf = (location: string): string =>
  URL.canParse(location) ? new URL(location).host : location.slice(0, 200)

export const hostOf = (location: string): string | undefined =>
  URL.canParse(location) ? new URL(location).hostname : undefined

/**
 * Asks the gateways in the order in which they answered the search, the first at once, until one does it. Those that
 * could not are remembered in the error.
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
