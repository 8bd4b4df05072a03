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

/**
 * The bytes of incomplete messages that a connection may keep for any time. Beyond them, the peer has to go on: see
 * `minPartialRate`.
 */
export const partialAllowance = 64 << 10

/** What a stream with an incomplete message counts for besides its bytes, in bytes. */
export const partialStreamCost = 4 << 10

/** The steps in which the transport learns of the bytes that are held above it. */
export const chargeStep = 64 << 10

/**
 * The least bytes that a peer with incomplete messages sends in a second, in the mean of each `partialCheckInterval`. After
 * `slowPartialTime` with less, its incomplete messages end. Both times are in milliseconds.
 */
export const minPartialRate = 1_024

/** See `minPartialRate`. */
export const partialCheckInterval = 5_000

/** See `minPartialRate`. */
export const slowPartialTime = 30_000

/** The bytes of a stream of a protocol that its handler has not read, before the stream is paused; and one chunk more. */
export const protocolBuffer = 64 << 10

/**
 * The bytes that are discarded of a stream of a protocol that nothing reads any more, before the peer is asked to stop. The peer is
 * asked late, since the loss of that request would end the connection: most peers end the stream by themselves.
 */
export const maxDiscarded = 1 << 20
