/** Tunables of streams: how many there are, their windows, and how much one turn writes and reads. */

/**
 * How many streams of each kind a peer may have open at once. The binding never repeats a lost MAX_STREAMS frame, so the credit
 * is far above what is in use: one lost frame then costs nothing.
 */
export const streamCredit = 1_024

/** How many streams this side keeps open at once towards a peer, fewer than `streamCredit`. Further ones wait. */
export const maxOpenStreams = 512

/**
 * Flow-control windows of streams, in bytes: at first and, as they grow with what is read, at most. A peer can make this side
 * keep `streamCredit` of them unread: 64 MiB of each kind.
 */
export const initialStreamWindow = 64 << 10

/** The maximum of the flow-control window of a stream, in bytes. */
export const maxStreamWindow = 4 << 20

/** The initial flow-control window of the receiving half of a stream that this side opens, in bytes. */
export const initialLocalStreamWindow = 256 << 10

/**
 * Unidirectional streams of a priority with more than `sendQuantum` to write that send at once, and their bytes in all. A
 * receiver keeps the parts of all of them; a lone stream may be longer.
 */
export const maxBulkStreams = 16

/** The maximum of the pending bytes of all bulk streams of a priority together. */
export const maxBulkBytes = 32 << 20

/**
 * What may have been sent to a peer on unidirectional streams that its application has not read, in weight: bytes, and what
 * it keeps of each message and stream beside them. Without this bound a peer whose application takes nothing would be sent,
 * and would acknowledge, all that its windows hold: a million messages of a few bytes, or 64 MiB.
 */
export const maxBacklogWeight = 8 << 20

/** The weight of a stream beside its bytes, as a part of `maxBacklogWeight`. */
export const streamWeight = 256

/** Stream credit that is kept for the probe streams that ask for more: see `PeerCredit`. */
export const maxReservedCredit = 64

/** The maximum number of streams that one turn releases when the peer's application has made room for them. */
export const maxReleased = 64

/**
 * How long to wait before asking for stream credit that may have been lost, in milliseconds: at first, and, as the waits
 * double, at most.
 */
export const firstCreditProbe = 100

/** The maximum of the wait before a probe for stream credit, in milliseconds. */
export const longestCreditProbe = 60_000

/** Streams that are tried in one turn although the windows seem full. */
export const maxBlockedTries = 64

/** How long to wait for the peer's half of a stream, in milliseconds, before inferring whether this side's has arrived. */
export const inferAfter = 5

/** Streams that are asked in one turn how much room the congestion window has: their own windows may be full. */
export const maxCapacityChecks = 4

/** The most bytes that are written after a probe timeout before the peer has answered. */
export const maxWrittenUnanswered = 16 << 10

/** Bytes that one stream may write before another of the same priority gets its turn. */
export const sendQuantum = 64 << 10

/**
 * In how many turns the streams complete that one acknowledgement covers; a turn completes at least `minCompletedBytes`. An
 * owner that waits for completion sends again at once, and its packets leave at the end of the turn: the peer processes them
 * while the next share completes. If all streams completed in one turn, the two sides would alternate, and one would always
 * be idle.
 */
export const completionTurns = 4

/** The minimum of the stream bytes that complete in one turn. */
export const minCompletedBytes = 12 << 10

/** Bytes that a stream queues before `write` makes its caller wait. */
export const sendHighWater = 64 << 10

/** The size of the buffer that streams are read into, in bytes. */
export const readChunk = 64 << 10

/**
 * How many bytes one turn reads from one stream and from a whole connection, and from how many streams. A turn sends a stream's
 * sender one new window, and each time the window doubles: read in small shares, it grows before the sender has to wait for it.
 * The binding repeats a lost MAX_STREAM_DATA frame only when more has been read since, and a lost MAX_STREAMS frame never. So
 * several turns read what a paused receiver left behind: several frames then announce the room, and reading goes on after each.
 */
export const maxStreamRead = 32 << 10

/** The maximum number of bytes that one turn reads from a connection. */
export const maxConnectionRead = 512 << 10

/** The maximum number of streams that one turn reads. */
export const maxStreamsRead = 256

/** Streams that one read checks for an end that the binding has not reported. */
export const maxEndsChecked = 8

/** How many codes of stops are kept, at most, from the packets of one turn. */
export const maxStopCodes = 2_048
