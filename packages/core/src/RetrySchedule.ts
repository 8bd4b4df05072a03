/**
 * When a dial or a send that failed is tried again.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type { ConnectionError } from "./ConnectionError.ts"
import { mayPass } from "./internal/networkCodes.ts"
import type { SendError } from "./SendError.ts"

/** The longest wait between two tries. */
const longestWait = Duration.seconds(60)

/**
 * qp2p's policy: exponential from 500 ms, times 1.5, each wait made up to half longer or shorter at random, at most 60 s
 * apart, until `retryDuration` has passed. 0 never tries again.
 *
 * @category constructors
 * @since 0.1.0
 */
export const exponential = (retryDuration: Duration.Duration): Schedule.Schedule<unknown> =>
  Schedule.exponential(Duration.millis(500), 1.5).pipe(
    Schedule.modifyDelay(({ duration }) =>
      Effect.map(Random.nextBetween(0.5, 1.5), (factor) => Duration.min(Duration.times(duration, factor), longestWait))
    ),
    Schedule.upTo({ duration: retryDuration })
  )

/**
 * The policy that endpoints follow, given the retry duration of the call. Provide another to change it.
 *
 * @category references
 * @since 0.1.0
 */
export const RetrySchedule: Context.Reference<(retryDuration: Duration.Duration) => Schedule.Schedule<unknown>> =
  Context.Reference("@qp2p/core/RetrySchedule", { defaultValue: () => exponential })

/**
 * Whether trying again may help. An address that cannot be dialled, an endpoint that has stopped, a peer that speaks
 * another version, a firewall: those stay so. A network that is down may be back.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isTransient = (error: ConnectionError): boolean => {
  switch (error._tag) {
    case "EndpointStopped":
    case "InvalidAddress":
    case "VersionMismatch":
    case "TooManyConnections":
      return false
    case "DatagramRefused":
      return mayPass(error.systemCode)
    default:
      return true
  }
}

/**
 * Whether sending again over another connection may help: only when the connection was what failed.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isTransientLoss = (error: SendError): boolean =>
  error._tag === "ConnectionLost" && isTransient(error.error)
