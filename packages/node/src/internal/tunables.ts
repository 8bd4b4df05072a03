/**
 * The numbers that tune the QUIC driver and are not fields of `EndpointConfig`. Constants that the RFCs or the wire fix are
 * in the files that use them.
 */

/** The largest UDP payload to try over a network, in bytes: what Ethernet carries with IPv6. */
export const networkPayload = 1_452

/**
 * Connection ids that a peer may have of one connection at once, as far as its own `active_connection_id_limit` goes (RFC
 * 9000, section 5.1.1), and how many milliseconds apart those that it retires are replaced, once as many have been at once.
 */
export const maxConnectionIds = 8
export const connectionIdInterval = 1_000

/**
 * Streams of each kind that a peer may have open at once. The binding never repeats a lost MAX_STREAMS frame, so credit
 * must be far above what is in use: one lost frame then costs nothing.
 */
export const streamCredit = 1_024

/** Streams that we keep open at once towards a peer, below `streamCredit`. Further ones wait their turn. */
export const maxOpenStreams = 512

/**
 * Flow-control windows of streams, in bytes. `streamCredit` of them are what a peer can make us keep unread: 64 MiB of
 * each kind. They grow, up to the largest, as they are read.
 */
export const initialStreamWindow = 64 << 10
export const maxStreamWindow = 4 << 20

/** The same for the receiving halves of streams that this side opens. */
export const initialLocalStreamWindow = 256 << 10

/**
 * Unidirectional streams of a priority with more than `sendQuantum` to write that send at once, and their bytes in all. A
 * receiver keeps the parts of all of them; a lone stream may be longer.
 */
export const maxBulkStreams = 16
export const maxBulkBytes = 32 << 20

/**
 * What may have been sent to a peer on unidirectional streams that its application has not read, in weight: bytes, and what
 * it keeps of each message and stream beside them. Without this bound a peer whose application takes nothing would be sent,
 * and would acknowledge, all that its windows hold: a million messages of a few bytes, or 64 MiB.
 */
export const maxBacklogWeight = 8 << 20

/** What a stream weighs of that, beside its bytes. */
export const streamWeight = 256

/** Stream credit that is kept for the probe streams that ask for more: see `PeerCredit`. */
export const maxReservedCredit = 64

/** Streams that a turn lets go on when the peer's application has made room for them. */
export const maxReleased = 64

/**
 * How long to wait before asking for stream credit that may have been lost, in milliseconds: at first, and, as the waits
 * double, at most.
 */
export const firstCreditProbe = 100
export const longestCreditProbe = 60_000

/** Streams that are tried in one turn although the windows seem full. */
export const maxBlockedTries = 64

/** How long to wait for the peer's half of a stream, in milliseconds, before inferring whether this side's has arrived. */
export const inferAfter = 5

/** Streams that are asked in one turn how much room the congestion window has: their own windows may be full. */
export const maxCapacityChecks = 4

/** Bytes that one stream may write before another of the same priority gets its turn. */
export const sendQuantum = 64 << 10

/**
 * Streams that a peer has acknowledged at once complete in so many turns, though never less than so many bytes in one. An
 * owner that waits for that sends again as soon as its stream completes, and that leaves at the end of the turn: the peer
 * takes it in while the next share completes. All in one turn, and the two sides would take turns, too, with one always
 * idle.
 */
export const completionTurns = 4
export const minCompletedBytes = 12 << 10

/** Share of `unreadBuffer` over which no further connections are accepted. */
export const admitBelow = 0.5

/**
 * Connections with a turn at the same time from which on both ends are busy with one or the other: each then completes
 * at once all that is acknowledged, and prefers batches of `saturatedBatchBytes`.
 */
export const saturatedAt = 12
export const saturatedBatchBytes = 64 << 10

/** Bytes that a stream queues before `write` makes its caller wait. */
export const sendHighWater = 64 << 10

/**
 * Bytes that one connection sends in one turn of the loop; more may overrun the receiver's socket buffer. Within a
 * machine they grow, up to the largest, as long as they do not.
 */
export const burst = 96 << 10
export const largestBurst = 192 << 10

/**
 * Milliseconds after which a turn of the loop ends, though connections have not had theirs: packets may have come
 * meanwhile.
 */
export const maxTurn = 5

/** Milliseconds until a connection gets its next turn that has asked for two turns in a row and did nothing in either. */
export const idleTurnPause = 10

/** Turns in a row that may leave a connection's deadline in the past: one may make room for what the next one does. */
export const mostOverdueTurns = 3

/** Datagrams handed to the socket and not yet taken by the kernel, above which connections wait with sending. */
export const maxDatagramsInFlight = 4_096

/** Neighbours on links whose zones' names are kept. */
export const maxNeighbours = 1_024

/**
 * Wished size of the kernel's socket buffers, in bytes; the system may grant less, and need not be asked for less than
 * the other.
 */
export const kernelBuffer = 4 << 20
export const leastKernelBuffer = 64 << 10

/** Datagrams in a row that could not be received, after which a socket counts as broken. */
export const maxReadErrors = 64

/** At most one line of the log in so many milliseconds tells of packets that the system does not send. */
export const refusalLogInterval = 1_000

/** Bytes read from a stream at once. */
export const readChunk = 64 << 10

/**
 * Bytes read in one turn, from one stream and from a whole connection, and streams read. A turn tells a stream's sender of
 * its new window once, and each time the window doubles: read in small shares, it grows before its sender has to wait
 * for it. The binding repeats a lost MAX_STREAM_DATA frame only when more has been read since, and a lost MAX_STREAMS
 * frame never. So what a paused receiver left behind is read in several turns, too: several frames then tell of it, and
 * reading goes on after each.
 */
export const maxStreamRead = 32 << 10
export const maxConnectionRead = 512 << 10
export const maxStreamsRead = 256

/** Streams that one read checks for an end that the binding has not reported. */
export const maxEndsChecked = 8

/** Incoming handshakes under way above which a client must prove its address with a Retry (RFC 9000, section 8.1.2). */
export const retryThreshold = 64

/** How long a Retry token is good for, in milliseconds. */
export const retryTokenLifetime = 10_000

/** What may have come ahead of something that was lost. */
export const mostOutOfOrder = 16 << 20

/** What peers may leave unread with us, in all their streams. */
export const mostUnread = 2 * streamCredit * initialStreamWindow + maxBulkStreams * maxStreamWindow

/**
 * Bytes that a connection may take in beyond what its streams explain. quiche 0.18 keeps some frames without bound
 * (CVE-2024-1410, CVE-2023-6193); a peer that sends mostly those is closed here.
 */
export const unexplainedBytes = 16 << 20

/** How often the housekeeping of a socket runs at most and at least, in milliseconds. */
export const minSweep = 10
export const maxSweep = 1_000

/**
 * A peer does not answer when nothing is heard of it for so many probe timeouts, and for so many milliseconds: a process
 * may be busy for a while.
 */
export const silentProbes = 3
export const leastSilence = 750

/**
 * At most so many milliseconds, though: the first round trips of a busy process look like those of a path around the
 * world several times, and a peer that is that far away is not given up for it, but only dialled once more.
 */
export const mostSilence = 2_000

/**
 * How long nothing must have been sent, in milliseconds, for a peer that owes an answer to be pinged; then twice as long
 * each time, up to the keep-alive interval. The question has been acknowledged: nothing else would tell of its death.
 */
export const firstReminder = 1_000

/** The least time between two probes that an owner asks for, in milliseconds. */
export const livenessProbeInterval = 50

/** Looks at a connection that are at most between two collections of garbage that are brought on for it. */
export const longestCollectionPause = 64

/** How old a connection is, in milliseconds, when the binding is asked for its peer's idle timeout. */
export const freshFor = 50

/** How long a peer may take to answer a liveness probe, in milliseconds. */
export const livenessProbeTimeout = 3_000

/** How many closing and draining connections are kept for late packets, even where fewer open connections are allowed. */
export const minEndedKept = 64

/** How long a connection stays in the closing state at least, in milliseconds: late packets get the close frame again. */
export const minClosingPeriod = 1_000

/** How often, in milliseconds, and how many times a socket that shuts down checks whether its peers have been told. */
export const shutdownCheckInterval = 2
export const shutdownChecks = 125
