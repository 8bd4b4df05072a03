/**
 * The limits of a connection that are not options.
 */

/** The most malformed streams of a peer; a further one closes the connection. */
export const maxMalformedStreams = 16

/**
 * The most streams that a connection reads although the application's queue has no room for them, since each may carry a
 * question to the endpoint. A peer that keeps to the stream credit of `QuicheTransport` has no more of them.
 */
export const maxStreamsReadWithoutRoom = 1_024

/**
 * How long a stream may stay undecided, in milliseconds: its first bytes may begin a control message, and the rest of the
 * header has not arrived. It is long enough to send a lost packet again on most paths.
 */
export const undecidedTimeout = 1_000

/** The memory for a message beside its content, in bytes, estimated. */
export const messageOverhead = 128
