/**
 * The numbers of datagrams that a connection keeps (RFC 9221).
 */

/** How many datagrams of a connection wait to leave at most. A further one is dropped. */
export const maxQueuedDatagrams = 256

/** How many bytes they have at most. */
export const maxQueuedDatagramBytes = 1 << 20

/** How many datagrams of one packet the binding keeps: more than one packet over a network can have. */
export const maxDatagramsInPacket = 512

/** How many datagrams of a connection wait for its turn at most. A further one is dropped. */
export const maxArrivedDatagrams = 1_024

/** How many bytes they have at most. */
export const maxArrivedDatagramBytes = 2 << 20
