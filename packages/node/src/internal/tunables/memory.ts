/** Tunables of memory: what peers may have this side keep, and what is still taken of them near the limit. */
import { initialStreamWindow, maxBulkStreams, maxStreamWindow, streamCredit } from "./streams.ts"

/**
 * The share of `unreadBuffer` over which no further connections are accepted of an IP address that holds unread bytes itself.
 */
export const admitBelow = 0.5

/** The share of `unreadBuffer` that the connections of one IP address may take, or those of one /64 of IPv6. */
export const ipShare = 0.5

/**
 * What each connection may hold besides, in bytes: one that holds no more is not held back. So all that a socket's peers make
 * it hold is at most `unreadBuffer` and this much for each connection.
 */
export const connectionAllowance = 64 << 10

/** The share of such a limit above which the connection with the most is held back. */
export const holdBackAbove = 0.75

/**
 * The shortest interval between two datagrams that are taken of a connection that is held back, in milliseconds. It grows as
 * the limit comes nearer, up to the longest: a peer must get something through now and then, or it takes the connection for
 * dead.
 */
export const heldBackInterval = 5

/** See `heldBackInterval`. */
export const longestHeldBackInterval = 5_000

/** At most so much is taken of such a connection, in bytes per millisecond. */
export const heldBackRate = 64

/**
 * The largest datagram, in bytes, that counts apart from the others of such a connection, and the interval between two of them,
 * in milliseconds. It has room for an acknowledgement, which this side's own messages wait for.
 */
export const smallDatagram = 96

/** See `smallDatagram`. */
export const smallDatagramInterval = 50

/** How much one turn may take before what it holds is known, in bytes: all that waits in the kernel. */
export const mostPerTurn = 4 << 20

/** The share of a limit up to which one of the connections that are held back has a grace: all of its packets are taken. */
export const graceBelow = 0.9

/** How long a grace lasts, in milliseconds, as long as the connection grows. */
export const gracePeriod = 30_000

/** How many bytes may arrive behind a lost packet before it is sent again. */
export const maxOutOfOrder = 16 << 20

/** How many bytes a peer may leave unread on this side, in all its streams. */
export const maxUnread = 2 * streamCredit * initialStreamWindow + maxBulkStreams * maxStreamWindow

/**
 * The maximum of the bytes that a connection receives beyond stream data and its overhead. quiche 0.18 keeps some frames
 * without bound (CVE-2024-1410, CVE-2023-6193); the driver closes a connection whose peer sends mostly such frames.
 */
export const unexplainedBytes = 16 << 20
