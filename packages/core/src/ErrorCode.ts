/**
 * Application error codes: the numbers that closes, resets and stops carry (RFC 9000, section 20.2).
 *
 * @stability unstable
 * @since 0.1.0
 */

/**
 * Brings a code into the range that every transport can carry, 0 to 2^53 - 1: fractions are cut off, `NaN` becomes 0.
 *
 * A transport clamps each code that it passes on, in both directions. The native binding of QUIC aborts the process on
 * codes below 0 or above 2^62 - 1, and 2^62 - 1 itself becomes 2^62 as a JavaScript number: a peer's code that is passed
 * on unclamped would let the peer stop the process.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const clamp = (code: number): number =>
  typeof code !== "number" || Number.isNaN(code) ? 0 : Math.min(Math.max(Math.trunc(code), 0), Number.MAX_SAFE_INTEGER)

/**
 * Code 3: an endpoint closes a connection because its messages or unread bytes exceed the endpoint's limits.
 *
 * @stability unstable
 * @category codes
 * @since 0.1.0
 */
export const overloaded = 3
