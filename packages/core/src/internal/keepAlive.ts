/**
 * How often an idle connection is pinged so that it does not time out.
 */

/** Of an idle timeout; so that a ping that is lost, and one that is late, do not end the connection. */
const share = 1 / 3

/** In milliseconds. Whoever asks for an idle timeout that needs pings more often sees to them alone. */
export const shortestInterval = 50

/**
 * The interval that keeps a connection: the one that is wished, or less when the idle timeout that both sides agreed on
 * is short. All in milliseconds; `Infinity` is never.
 */
export const keepAliveInterval = (wished: number, idleTimeout: number): number =>
  wished === Infinity ? Infinity : Math.min(wished, Math.max(idleTimeout * share, shortestInterval))
