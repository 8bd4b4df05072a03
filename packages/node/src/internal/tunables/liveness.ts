/** Tunables of liveness: when a peer counts as unresponsive, and when it is asked for a sign of life. */

/**
 * A peer is unresponsive when no packet arrives from it for this many probe timeouts (RFC 9002, section 6.2), and for at least
 * `minSilence` milliseconds: its process may be busy for a while.
 */
export const silentProbes = 3

/** The minimum silence of an unresponsive peer, in milliseconds. */
export const minSilence = 750

/**
 * The silence, in milliseconds, after which a peer is unresponsive for every probe timeout: the first round trips of a busy
 * process look as long as a path several times around the world. For a peer that is really so far away, the only cost is one
 * more dial.
 */
export const maxSilence = 2_000

/**
 * After how many milliseconds with nothing sent a peer that owes an answer is pinged; then twice as long each time, up to the
 * keep-alive interval. The peer has acknowledged the question, so nothing else would show that it has died.
 */
export const firstReminder = 1_000

/** The least time between two liveness probes that an owner asks for, in milliseconds. */
export const livenessProbeInterval = 50

/** How long a peer may take to answer a liveness probe, in milliseconds. */
export const livenessProbeTimeout = 3_000
