/** Tunables of streams of a negative priority: how much they have in flight. */

/** The delay that they may cause on the path beyond its shortest round trip, in milliseconds. */
export const maxBackgroundDelay = 20

/** The least that they may have in flight, in bytes: four packets of the largest size. */
export const minBackgroundWindow = 64 << 10

/** A window of more bytes is no limit: the congestion window is. */
export const maxBackgroundWindow = 64 << 20

/** How long the shortest round trip is taken for that of the path, in milliseconds, before it is measured again. */
export const shortestInterval = 10_000

/** How long nothing is acknowledged before the window is forgotten, in milliseconds. */
export const backgroundPatience = 2_000
