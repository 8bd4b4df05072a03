/**
 * The numbers that tune the QUIC driver and are not fields of `EndpointConfig`. Constants that the RFCs or the wire fix are
 * in the files that use them.
 */

/** The largest UDP payload to try over a network, in bytes: what Ethernet carries with IPv6. */
export const networkPayload = 1_452

/**
 * How many connection ids a peer may have of one connection, if its own `active_connection_id_limit` allows as many (RFC 9000,
 * section 5.1.1). The driver replaces as many retired ids at once, and one further id in each `connectionIdInterval`.
 */
export const maxConnectionIds = 8

/** The interval between further replacements of retired connection ids, in milliseconds. */
export const connectionIdInterval = 1_000

/** How long packets for a retired connection id are late ones of its connection, in milliseconds. */
export const retiredIdLifetime = 10_000

/** How many stateless resets a socket may send at once, and how many more in each second. */
export const maxResets = 1_024

/** See `maxResets`. */
export const resetsPerSecond = 512

/** The same for those to one IP address, or to one /64 of IPv6. */
export const maxResetsPerIp = 128

/** See `maxResetsPerIp`. */
export const resetsPerIpAndSecond = 64

/** How long the ids of a connection that is forgotten cause no stateless reset, in milliseconds. */
export const recentIdLifetime = 2_000

/** How many such ids are remembered, of those that came within one `recentIdLifetime`. */
export const maxRecentIds = 4_096

/**
 * How many dialled connections with one address are asked whether a packet is their stateless reset. An endpoint has one or two
 * with each peer, and to ask the binding costs as much as a packet.
 */
export const maxAskedForResets = 16

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

/**
 * The number of connections with a turn at the same time at which the loop is saturated: some connection always keeps each
 * end busy. Each connection then completes all acknowledged streams at once, and prefers batches of `saturatedBatchBytes`.
 */
export const saturatedAt = 12

/** The batch size that a saturated connection prefers, in bytes. */
export const saturatedBatchBytes = 64 << 10

/** Bytes that a stream queues before `write` makes its caller wait. */
export const sendHighWater = 64 << 10

/**
 * Bytes that one connection sends in one turn of the loop: more may overrun the receiver's socket buffer. Within a machine
 * bursts grow, up to the largest, as long as nothing is lost.
 */
export const burst = 96 << 10

/** The maximum of a burst within a machine, in bytes. */
export const maxBurst = 192 << 10

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

/** How many datagrams may wait for the kernel until connections hold back further ones. */
export const maxDatagramsInFlight = 4_096

/** For how many link-local hosts the driver remembers the number of the zone. */
export const maxNeighbours = 1_024

/** The size to ask for of the kernel's socket buffers, in bytes; where the system refuses it, the driver asks for less. */
export const kernelBuffer = 4 << 20

/** The minimum size to ask for of a kernel's socket buffer, in bytes. */
export const minKernelBuffer = 64 << 10

/** After how many errors in a row, with no datagram received, a socket counts as broken. */
export const maxReadErrors = 64

/** The least time between two log lines about packets that the system refuses to send, in milliseconds. */
export const refusalLogInterval = 1_000

/** The interval for which the limits of log lines about peers hold, in milliseconds. */
export const logInterval = 1_000

/** The most lines in such an interval about peers at one IP address, or in one /64 of IPv6. */
export const maxLogLinesPerIp = 4

/** The most lines in such an interval about all peers. */
export const maxLogLines = 32

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

/**
 * How many incoming handshakes may be under way until a client must prove its address with a Retry (RFC 9000, section 8.1.2).
 */
export const retryThreshold = 64

/**
 * How many connections may be accepted at once without a Retry that have not completed their handshake yet, or have failed to;
 * and how many more in each second. A connection that completes it does not count.
 */
export const maxUnprovenAccepts = 256

/** See `maxUnprovenAccepts`. */
export const unprovenAcceptsPerSecond = 64

/** The same for those that come with a token of a Retry, of one IP address. Over it their packets are dropped. */
export const maxUnprovenAcceptsPerIp = 64

/** See `maxUnprovenAcceptsPerIp`. */
export const unprovenAcceptsPerIpAndSecond = 8

/**
 * How many handshakes one IP address, or one /64 of IPv6, may begin at once, complete or not, without a Retry; and how many
 * more in each second. As many may begin after a Retry; over it packets with a token are dropped, and the client sends another
 * later.
 */
export const maxAcceptsPerIp = 64

/** See `maxAcceptsPerIp`. */
export const acceptsPerIpAndSecond = 32

/** For how many IP addresses such accepts are counted. */
export const maxCountedIps = 4_096

/** How many bytes of a peer the binding takes before the handshake is complete. */
export const maxHandshakeBytes = 64 << 10

/**
 * How many CRYPTO frames of a peer the binding takes before the handshake is complete: each costs 200 bytes besides its own,
 * and any host can make them. Every packet that is sent again brings a few.
 */
export const maxHandshakePieces = 128

/**
 * How many bytes a connection takes until its peer is admitted, after a handshake that is complete: somewhat more than a peer
 * sends before the first acknowledgement (RFC 9002, section 7.2).
 */
export const maxBytesBeforeAdmission = 32 << 10

/** How long a Retry token is valid, in milliseconds. */
export const retryTokenLifetime = 10_000

/** How many bytes may arrive behind a lost packet before it is sent again. */
export const maxOutOfOrder = 16 << 20

/** How many bytes a peer may leave unread on this side, in all its streams. */
export const maxUnread = 2 * streamCredit * initialStreamWindow + maxBulkStreams * maxStreamWindow

/**
 * The maximum of the bytes that a connection receives beyond stream data and its overhead. quiche 0.18 keeps some frames
 * without bound (CVE-2024-1410, CVE-2023-6193); the driver closes a connection whose peer sends mostly such frames.
 */
export const unexplainedBytes = 16 << 20

/** The shortest interval between two sweeps of a socket, in milliseconds. */
export const minSweep = 10

/** The longest interval between two sweeps of a socket, in milliseconds. */
export const maxSweep = 1_000

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

/** How old a connection is, in milliseconds, when the binding is asked for its peer's idle timeout. */
export const freshFor = 50

/** How long a peer may take to answer a liveness probe, in milliseconds. */
export const livenessProbeTimeout = 3_000

/** How many closing and draining connections are kept for late packets, even where fewer open connections are allowed. */
export const minEndedKept = 64

/** How long a connection stays in the closing state at least, in milliseconds: late packets get the close frame again. */
export const minClosingPeriod = 1_000

/** The interval, in milliseconds, at which a socket that shuts down checks whether its close frames have left. */
export const shutdownCheckInterval = 2

/** How many times a socket that shuts down checks whether the close frames have left. */
export const shutdownChecks = 125

/**
 * What the binding keeps of a STREAM or CRYPTO frame beside its bytes until they are read, in bytes: 184 were measured with
 * frames of one byte.
 */
export const fragmentCost = 192

/** A frame with fewer bytes of a stream counts as `smallFragmentCost`. */
export const smallFragment = 512

/**
 * What a small frame counts as, in bytes. Once they are freed, glibc keeps the memory of small pieces for later use: the
 * process does not shrink again. So a socket takes fewer of them than its `unreadBuffer` has room for.
 */
export const smallFragmentCost = 4_096

/**
 * How many frames with stream data the binding may keep of one connection. It frees them in one go when the connection ends,
 * which takes about 0.2 us for each, and no other connection has a turn meanwhile.
 */
export const maxFragments = 131_072

/** How many such frames of a connection that closes are worth the calls that have the binding free them. */
export const minDiscarded = 1_024

/** How many frames about connection ids, paths and tokens a peer may send at once, and one more in each `controlInterval`. */
export const maxControlFrames = 512

/** The interval between further such frames, in milliseconds. */
export const controlInterval = 31.25

/**
 * How many frames a packet may have: so many, and one more for each `bytesPerFrame` bytes. The smallest frames that a peer has
 * reason to send in large numbers are stops of 4 bytes.
 */
export const maxSmallFrames = 64

/** See `maxSmallFrames`. */
export const bytesPerFrame = 4

/** The share of `maxConnections` that is kept for dials of this side. */
export const dialShare = 0.1

/**
 * How many connections of peers may have handshakes under way in a full socket, as a share of `maxConnections`, besides those;
 * at least one may. Each takes the place of another connection once its handshake is complete.
 */
export const pendingShare = 0.1

/** How long a connection must have been idle, in milliseconds, to give up its place in a full socket. */
export const evictableIdle = 30_000

/**
 * How many packet numbers a group has, of which one packet leaves: see `path/addressProof.ts`. A host that guesses which one is
 * right in one of so many cases.
 */
export const probeGroup = 16

/** In how many groups a peer must have acknowledged that packet: a guess is right in one of 16 million cases. */
export const acknowledgedProbes = 6

/** The size of the buffer for a probe, in bytes: a header, a PING frame and a tag (RFC 9000, sections 17.3.1 and 19.2). */
export const probeSize = 45

/** How long probes may stay unanswered until others are sent, in milliseconds: at first, and, as the pauses double, at most. */
export const firstProofPause = 250

/** See `firstProofPause`. */
export const longestProofPause = 10_000

/** The shortest time between two moves of a peer, in milliseconds: a proof costs this side about 100 packets that it makes. */
export const minProofPause = 50
