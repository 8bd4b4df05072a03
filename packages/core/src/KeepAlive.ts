/**
 * Keep-alive: how often a transport pings an idle connection so that it does not time out (RFC 9000, section 10.1.2).
 *
 * @stability unstable
 * @since 0.1.0
 */

/** Of an idle timeout; so that a ping that is lost, and one that is late, do not end the connection. */
const share = 1 / 3

/**
 * The shortest interval between pings, in milliseconds: 50. A peer whose idle timeout needs pings more often sends them
 * itself.
 *
 * @stability unstable
 * @category constants
 * @since 0.1.0
 */
export const shortestInterval = 50

/**
 * The interval between pings, in milliseconds: the wished one, or a third of the idle timeout that both sides agreed on when
 * that is shorter, but at least `shortestInterval`. `Infinity` means no pings, and so does an argument that is no number.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const keepAliveInterval = (wished: number, idleTimeout: number): number =>
  wished === Infinity || typeof wished !== "number" || typeof idleTimeout !== "number"
    ? Infinity
    : Math.min(wished, Math.max(idleTimeout * share, shortestInterval))
