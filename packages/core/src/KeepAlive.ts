/**
 * Keep-alive: the interval at which a transport pings an idle connection so that it does not time out (RFC 9000, section
 * 10.1.2).
 *
 * @stability unstable
 * @since 0.1.0
 */

/** The interval as a fraction of the idle timeout, so that one lost ping and one late ping do not end the connection. */
const idleTimeoutFraction = 1 / 3

/**
 * The shortest interval between pings, in milliseconds: 50. A peer with an idle timeout that needs more frequent pings
 * sends them itself.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const shortestInterval = 50

/**
 * Computes the interval between pings, in milliseconds: `wished`, or a third of the negotiated idle timeout (but at least
 * `shortestInterval`) where that is shorter. Returns `Infinity`, which means no pings, when `wished` is `Infinity` or an
 * argument is not a number.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const keepAliveInterval = (wished: number, idleTimeout: number): number =>
  wished === Infinity || typeof wished !== "number" || typeof idleTimeout !== "number"
    ? Infinity
    : Math.min(wished, Math.max(idleTimeout * idleTimeoutFraction, shortestInterval))
