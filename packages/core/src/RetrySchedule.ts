/**
 * The policy for retrying failed dials and sends.
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
import { isTransientCode } from "./internal/networkCodes.ts"
import type { SendError } from "./SendError.ts"

/** The longest delay between two attempts. */
const maxDelay = Duration.seconds(60)

/**
 * Makes qp2p's retry policy: exponential backoff from 500 ms with a factor of 1.5, jitter of 50 % in both directions and
 * delays of at most 60 s, until `retryDuration` has passed. 0 does not retry. Returns an `InvalidArgument` to callers without
 * types when `retryDuration` is not a duration.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const exponential = (retryDuration: Duration.Duration): Schedule.Schedule<unknown> =>
  (ofValue("retryDuration", retryDuration, duration) as undefined) ?? exponentialSchedule(retryDuration)

const exponentialSchedule = (retryDuration: Duration.Duration): Schedule.Schedule<unknown> =>
  Schedule.exponential(Duration.millis(500), 1.5).pipe(
    Schedule.modifyDelay(({ duration }) =>
      Effect.map(Random.nextBetween(0.5, 1.5), (factor) => Duration.min(Duration.times(duration, factor), maxDelay))
    ),
    Schedule.upTo({ duration: retryDuration })
  )

/**
 * The policy of endpoints: a function from a call's retry duration to its schedule. The default is `exponential`.
 *
 * @stability unstable
 * @category references
 * @since 0.1.0
 */
export const RetrySchedule: Context.Reference<(retryDuration: Duration.Duration) => Schedule.Schedule<unknown>> =
  Context.Reference("@qp2p/core/RetrySchedule", { defaultValue: () => exponential })

/** Transport error codes of RFC 9000, section 20.1, and RFC 9368, section 7.2. */
const TRANSPORT_PARAMETER_ERROR = 0x8
const VERSION_NEGOTIATION_ERROR = 0x11

/** CRYPTO_ERROR + the TLS alerts that do not reject the handshake's parameters (RFC 8446, section 6). */
const CRYPTO_INTERNAL_ERROR = 0x150
const CRYPTO_USER_CANCELED = 0x15a

/** Tells whether every handshake would fail with this code: its cause is a parameter, a version or a certificate. */
const isFinal = (code: number): boolean =>
  code === TRANSPORT_PARAMETER_ERROR ||
  code === VERSION_NEGOTIATION_ERROR ||
  (code >= 0x100 && code <= 0x1ff && code !== CRYPTO_INTERNAL_ERROR && code !== CRYPTO_USER_CANCELED)

/**
 * Tells whether a retry may succeed.
 *
 * It may not for an address that cannot be dialled, a stopped endpoint, too many connections, a version mismatch, a TLS alert
 * of the peer, or a firewall. It may for a full peer, which refuses with transport code 2, and for a network that is down.
 *
 * @stability unstable
 * @category predicates
 * @since 0.1.0
 */
export const isTransient = (error: ConnectionError): boolean => {
  // Callers without types may pass any value.
  if (!Predicate.hasProperty(error, "_tag")) return false
  switch (error._tag) {
    case "EndpointStopped":
    case "InvalidAddress":
    case "InvalidArgument":
    case "VersionMismatch":
    case "TooManyConnections":
    case "PeerMismatch":
    case "PeerRefused":
    case "PeerNotFound":
      return false
    case "TransportError":
      return !isFinal(error.code)
    case "DatagramRefused":
      return isTransientCode(error.systemCode)
    default:
      return true
  }
}

/**
 * Tells whether sending over another connection may succeed: only when the connection was lost by a transient error.
 *
 * @stability unstable
 * @category predicates
 * @since 0.1.0
 */
export const isTransientLoss = (error: SendError): boolean =>
  Predicate.isTagged(error, "ConnectionLost") && isTransient(error.reason)
