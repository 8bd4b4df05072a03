/**
 * Application error codes: the numbers that closes, resets and stops carry (RFC 9000, section 20.2).
 *
 * The constants are the codes that this library sends itself. Codes 0 to 15 are reserved for it; applications choose theirs
 * from 16 on, up to 2^53 - 1.
 *
 * @stability unstable
 * @since 0.1.0
 */

/**
 * Clamps a code to the range that every transport can carry, 0 to 2^53 - 1. Fractions are cut off, and a value that
 * is not a number becomes 0.
 *
 * A transport clamps each code that it passes on, in both directions. The native binding of QUIC aborts the process on
 * codes below 0 or above 2^62 - 1, and 2^62 - 1 itself becomes 2^62 as a JavaScript number. Without clamping, a peer could
 * abort the process by its code.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const clamp = (code: number): number =>
  typeof code !== "number" || Number.isNaN(code) ? 0 : Math.min(Math.max(Math.trunc(code), 0), Number.MAX_SAFE_INTEGER)

/**
 * Code 0: no error. Closes a connection that is no longer needed, and resets a stream whose caller was interrupted.
 *
 * @stability unstable
 * @category codes
 * @since 0.1.0
 */
export const noError = 0

/**
 * Code 1: the peer's bytes are not messages of qp2p, or a message is larger than `EndpointConfig.maxMessageSize`. Stops a
 * stream and resets its other half; closes a connection after the 17th such stream.
 *
 * @stability unstable
 * @category codes
 * @since 0.1.0
 */
export const malformed = 1

/**
 * Code 2: the messages that arrived in part exceed `EndpointConfig.reassemblyBuffer`, or do not go on: their sender has sent less
 * than 1 KiB in a second for 30 s, although nothing held it back. Stops the stream and resets its other half.
 *
 * @stability unstable
 * @category codes
 * @since 0.1.0
 */
export const reassemblyOverflow = 2

/**
 * Code 3: the peer's messages or unread bytes exceed the endpoint's limits. Closes the connection.
 *
 * @stability unstable
 * @category codes
 * @since 0.1.0
 */
export const overloaded = 3

/**
 * Code 4: the `PeerPolicy` of this side refuses the peer. Closes the connection before anything on it is read.
 *
 * @stability unstable
 * @category codes
 * @since 0.1.0
 */
export const refused = 4

/**
 * Code 5: the endpoint has no room for further connections, and this one was never used, or was idle for 30 s. Closes the
 * connection. The peer may dial again.
 *
 * @stability unstable
 * @category codes
 * @since 0.1.0
 */
export const evicted = 5

/**
 * Code 6: the protocol of the stream is refused. Stops a stream whose opener goes on sending after the refusal.
 *
 * @stability unstable
 * @category codes
 * @since 0.1.0
 */
export const protocolRefused = 6

/**
 * Code 7: the handler of the protocol has failed. Resets the stream, and stops its other half.
 *
 * @stability unstable
 * @category codes
 * @since 0.1.0
 */
export const handlerFailed = 7
