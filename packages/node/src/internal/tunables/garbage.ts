/** Tunables of the garbage collections that the driver requests. */

/** The most sweeps between two garbage collections that are requested for a connection. */
export const maxCollectionPause = 64

/**
 * How many bytes have to be freed, how few per millisecond now, and for how many milliseconds, until a socket requests a
 * garbage collection. Connections whose peers have vanished end within seconds of each other.
 */
export const minCollected = 32 << 20

/** See `minCollected`. */
export const quietTime = 3_000

/** See `minCollected`. */
export const quietRate = 1 << 10

/** The shortest time between two collections that a socket requests, in milliseconds: each stops the whole process. */
export const collectionInterval = 60_000

/**
 * Up to what size of the heap, in bytes, a socket requests a collection: it stops the process for about 1 ms for each MiB in
 * use. A program with a larger heap makes garbage enough by itself.
 */
export const maxQuickHeap = 64 << 20
