/**
 * When a dial or a send that failed is tried again.
 *
 * @stability unstable
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type { ConnectionError } from "./ConnectionError.ts"
import { duration, ofValue } from "./InvalidArgument.ts"
import { mayPass } from "./internal/networkCodes.ts"
import type { SendError } from "./SendError.ts"

/** The longest wait between two tries. */
const longestWait = Duration.seconds(60)

/**
 * The policy of qp2p: exponential from 500 ms, times 1.5, each wait made up to half longer or shorter at random, at most 60 s
 * apart, until `retryDuration` has passed. 0 never tries again. Callers without types get an `InvalidArgument` when it is
 * no duration.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const exponential = (retryDuration: Duration.Duration): Schedule.Schedule<unknown> =>
  (ofValue("retryDuration", retryDuration, duration) as undefined) ?? exponentially(retryDuration)

const exponentially = (retryDuration: Duration.Duration): Schedule.Schedule<unknown> =>
  Schedule.exponential(Duration.millis(500), 1.5).pipe(
    Schedule.modifyDelay(({ duration }) =>
      Effect.map(Random.nextBetween(0.5, 1.5), (factor) => Duration.min(Duration.times(duration, factor), longestWait))
    ),
    Schedule.upTo({ duration: retryDuration })
  )

/**
 * The policy that endpoints follow, given the retry duration of the call. Provide another to change it.
 *
 * @stability unstable
 * @category references
 * @since 0.1.0
 */
export const RetrySchedule: Context.Reference<(retryDuration: Duration.Duration) => Schedule.Schedule<unknown>> =
  Context.Reference("@qp2p/core/RetrySchedule", { defaultValue: () => exponential })

/** RFC 9000, section 20.1, and RFC 9368, section 7.2. */
const TRANSPORT_PARAMETER_ERROR = 0x8
const VERSION_NEGOTIATION_ERROR = 0x11

/** CRYPTO_ERROR + the TLS alerts that say nothing of what the other side was offered (RFC 8446, section 6). */
const CRYPTO_INTERNAL_ERROR = 0x150
const CRYPTO_USER_CANCELED = 0x15a

/** Whether a transport error is about what is the same in every handshake: parameters, versions, certificates. */
const isFinal = (code: number): boolean =>
  code === TRANSPORT_PARAMETER_ERROR ||
  code === VERSION_NEGOTIATION_ERROR ||
  (code >= 0x100 && code <= 0x1ff && code !== CRYPTO_INTERNAL_ERROR && code !== CRYPTO_USER_CANCELED)

/**
 * Whether trying again may help. An address that cannot be dialled, an endpoint that has stopped, a peer that speaks
 * another version or refuses with a TLS alert, a firewall: those stay so. A peer that is full refuses with code 2, which may
 * pass, and a network that is down may be back.
 *
 * @stability unstable
 * @category predicates
 * @since 0.1.0
 */
export const isTransient = (error: ConnectionError): boolean => {
  // Callers without types may hand over anything.
  if (!Predicate.hasProperty(error, "_tag")) return false
  switch (error._tag) {
    case "EndpointStopped":
    case "InvalidAddress":
    case "InvalidArgument":
    case "VersionMismatch":
    case "TooManyConnections":
      return false
    case "TransportError":
      return !isFinal(error.code)
    case "DatagramRefused":
      return mayPass(error.systemCode)
    default:
      return true
  }
}

/**
 * Whether sending again over another connection may help: only when the connection was what failed.
 *
 * @stability unstable
 * @category predicates
 * @since 0.1.0
 */
export const isTransientLoss = (error: SendError): boolean =>
  Predicate.isTagged(error, "ConnectionLost") && isTransient(error.reason)
