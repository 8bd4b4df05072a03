/** Tunables of turns and sweeps: how long they take, and how often they come. */

/**
 * The number of connections with a turn at the same time at which the loop is saturated: some connection always keeps each
 * end busy. Each connection then completes all acknowledged streams at once, and prefers batches of `saturatedBatchBytes`.
 */
export const saturatedAt = 12

/** The batch size that a saturated connection prefers, in bytes. */
export const saturatedBatchBytes = 64 << 10

/**
 * How long a turn of the loop may take, in milliseconds. Other connections have the next one: packets may have come meanwhile.
 */
export const maxTurn = 5

/**
 * How many datagrams Node takes of a socket in one iteration of the event loop, at most: after as many there are probably more.
 * Connections get no turn then before those are taken as well, for up to `maxTurn`: a peer's packets must not wait in the
 * kernel behind those of a flood, each batch of which takes a turn.
 */
export const datagramsPerPoll = 32

/** For how many IP addresses the queues of connections that wait for a turn are kept although they are empty. */
export const maxIdleTurnQueues = 1_024

/** How long a connection waits for its next turn, in milliseconds, when it did nothing in two turns that it asked for. */
export const idleTurnPause = 10

/** How many turns in a row may leave a connection's deadline in the past: one turn may make room for the work of the next. */
export const maxOverdueTurns = 3

/** The shortest interval between two sweeps of a socket, in milliseconds. */
export const minSweep = 10

/** The longest interval between two sweeps of a socket, in milliseconds. */
export const maxSweep = 1_000

/** How old a connection is, in milliseconds, when the binding is asked for its peer's idle timeout. */
export const freshFor = 50
