/** Tunables of the places of a socket: for dials, for handshakes, and for connections that close. */

/** The share of `maxConnections` that is kept for dials of this side. */
export const dialShare = 0.1

/**
 * How many connections of peers may have handshakes under way in a full socket, as a share of `maxConnections`, besides those;
 * at least one may. Each takes the place of another connection once its handshake is complete.
 */
export const pendingShare = 0.1

/** How long a connection must have been idle, in milliseconds, to give up its place in a full socket. */
export const evictableIdle = 30_000

/** How many connections may be about to close, even where fewer open connections are allowed. */
export const minEndedKept = 64
